-- +goose Up

-- One accepted mail. Written by package holdqueue only.
CREATE TABLE message (
    id            TEXT PRIMARY KEY,
    family        TEXT NOT NULL,              -- id of the first copy when upstream split one mail, else id
    family_key    BYTEA NOT NULL,             -- keyed hash over Message-ID, sender, source and content; '' = never joined
    origin        TEXT NOT NULL,              -- submission, gateway, system
    source        TEXT NOT NULL,              -- name of the gateway source, else ''
    person        TEXT NOT NULL,              -- whose mail it is: limits, manager, "my mail"; '' for system
    mail_from     TEXT NOT NULL,              -- '' is the null reverse path
    automatic     BIGINT NOT NULL,            -- 1: auto-reply, DSN, MDN, iTIP
    size          BIGINT NOT NULL,            -- octets of the stored message
    sha256        BYTEA NOT NULL,             -- of the stored message
    body          BYTEA,                      -- the stored message, sealed; NULL when in a file or purged
    blob          TEXT NOT NULL,              -- key of the encrypted file, else ''
    meta          BYTEA NOT NULL,             -- sealed JSON: subject, header addresses, SMTP parameters
    report        BYTEA,                      -- sealed, what inspection found; opaque here
    resend_key    BYTEA NOT NULL,             -- keyed hash of sender, recipients, Message-ID and content, for clients that send again
    answered_at   BIGINT NOT NULL,            -- when the client got its 250; 0 = in doubt
    accepted_at   BIGINT NOT NULL,
    inspected_at  BIGINT NOT NULL,            -- 0 = not yet
    ended_at      BIGINT NOT NULL,            -- when the last recipient ended; 0 = still open
    purged_at     BIGINT NOT NULL,            -- when body, meta and report were taken away; 0 = still there
    version       BIGINT NOT NULL             -- compare-and-set: every change of the mail or its recipients adds one
);
CREATE INDEX message_person ON message (person, accepted_at, id);
CREATE INDEX message_accepted ON message (accepted_at, id);
CREATE INDEX message_family ON message (family);
CREATE INDEX message_family_key ON message (family_key, accepted_at);
CREATE INDEX message_resend ON message (resend_key, accepted_at);
CREATE INDEX message_open ON message (accepted_at, id) WHERE ended_at = 0;

-- One envelope recipient: the unit of state. Written by package holdqueue only.
CREATE TABLE recipient (
    id            TEXT PRIMARY KEY,
    message       TEXT NOT NULL REFERENCES message (id),
    position      BIGINT NOT NULL,
    address       TEXT NOT NULL,
    domain        TEXT NOT NULL,              -- A-labels, lower case
    notify        TEXT NOT NULL,              -- RFC 3461 NOTIFY, '' = not given
    orcpt         TEXT NOT NULL,              -- RFC 3461 ORCPT, '' = not given
    state         TEXT NOT NULL,
    bundle        TEXT NOT NULL,              -- recipients of one bundle get the same bytes in one transaction
    verdict       BYTEA,                      -- sealed JSON, opaque here: reasons, rules, plan
    delay         BIGINT NOT NULL,            -- microseconds from acceptance
    stopped       BIGINT NOT NULL,            -- 1: the sender stopped the clock
    release_at    BIGINT NOT NULL,            -- 0 = not set
    decided_at    BIGINT NOT NULL,
    next_try_at   BIGINT NOT NULL,            -- of a deferred one
    attempt       TEXT NOT NULL,              -- who is sending it now
    claimed_at    BIGINT NOT NULL,            -- when sending it began, for "too late" and the log
    dot_sent_at   BIGINT NOT NULL,            -- committed before the final dot of the attempt
    uncertain     BIGINT NOT NULL,            -- 1: may have been delivered by an attempt whose end nobody saw
    tries         BIGINT NOT NULL,
    first_try_at  BIGINT NOT NULL,            -- the retry clock starts here
    warned_at     BIGINT NOT NULL,            -- delay DSN sent
    remote        TEXT NOT NULL,              -- the next hop that gave the last answer
    reply         TEXT NOT NULL,              -- its last answer, upstream queue id and all
    reason        TEXT NOT NULL,              -- why it ended, a code
    ended_at      BIGINT NOT NULL
);
CREATE INDEX recipient_message ON recipient (message, position);
CREATE INDEX recipient_state ON recipient (state, message);

-- All work with a time, of every package, behind one index. A claim is a compare-and-set on (due_at, attempt)
-- that moves due_at to the end of the lease, so that work whose worker died is simply due again.
CREATE TABLE work (
    kind     TEXT NOT NULL,
    ref      TEXT NOT NULL,
    due_at   BIGINT NOT NULL,
    attempt  TEXT NOT NULL,                   -- '' = nobody has it
    tries    BIGINT NOT NULL,                 -- claims since it was last scheduled
    PRIMARY KEY (kind, ref)
);
CREATE INDEX work_due ON work (kind, due_at);

-- Facts about this installation: the canary of the key file, the pause.
CREATE TABLE setting (
    name   TEXT PRIMARY KEY,
    value  BYTEA NOT NULL
);
