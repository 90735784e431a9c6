-- +goose Up

-- What is known about a mail that upstream splits into copies, while more of them may come. One row for each key: its
-- latest family. Whoever finds a copy's family writes here, so that two nodes never begin the same one.
-- Written by package holdqueue only.
CREATE TABLE family (
    family_key   BYTEA PRIMARY KEY,           -- as in message
    id           TEXT NOT NULL,               -- as message.family: the copy that was inspected first
    began_at     BIGINT NOT NULL,             -- when that one was accepted: the clock of all copies
    wish         TEXT NOT NULL,               -- what was asked for the mail as a whole, so that a late copy follows: '', cancel, send, stop
    reason       TEXT NOT NULL,               -- of cancel, as in recipient
    wished_at    BIGINT NOT NULL,
    version      BIGINT NOT NULL
);
CREATE INDEX family_id ON family (id);

-- When the clock of the mail began: the family's; 0 = at acceptance.
ALTER TABLE message ADD COLUMN began_at BIGINT NOT NULL DEFAULT 0;

-- Written by package approval only, as are the rows below. Equal for recipients about whom the same was found and
-- for whom the same is planned, so that an answer about one holds for a late copy to another; '' = no other.
ALTER TABLE request_recipient ADD COLUMN likeness TEXT NOT NULL DEFAULT '';

-- What the sender will be told about a mail whose copies come one by one: in one notice, not in one for each copy.
CREATE TABLE family_notice (
    family       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    message      TEXT NOT NULL,               -- the copy
    recipients   TEXT NOT NULL,               -- JSON list of ids
    told_at      BIGINT NOT NULL,             -- 0 = not yet
    PRIMARY KEY (family, kind, message)
);
