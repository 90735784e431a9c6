-- +goose Up

-- One question about one mail: the recipients that need the same people. Written by package approval only,
-- like everything in this file.
CREATE TABLE request (
    id           TEXT PRIMARY KEY,
    message      TEXT NOT NULL,
    family       TEXT NOT NULL,               -- as in message: copies that upstream split share it
    sender       TEXT NOT NULL,               -- person, in look-up form
    state        TEXT NOT NULL,
    revision     TEXT NOT NULL,               -- hex SHA-256 of message, recipients, findings and plan
    stage        BIGINT NOT NULL,             -- asked now, from 0
    detail       BYTEA NOT NULL,              -- sealed JSON: subject, reasons, rules, plan, stages
    opened_at    BIGINT NOT NULL,
    remind_at    BIGINT NOT NULL,             -- of the present stage; 0 = done
    escalate_at  BIGINT NOT NULL,             -- of the present stage; 0 = done
    expires_at   BIGINT NOT NULL,
    closed_at    BIGINT NOT NULL,             -- 0 = open
    closed_by    TEXT NOT NULL,               -- person, '' = nobody (time)
    version      BIGINT NOT NULL              -- compare-and-set
);
CREATE INDEX request_message ON request (message);
CREATE INDEX request_family ON request (family);
CREATE INDEX request_open ON request (opened_at, id) WHERE closed_at = 0;

-- A recipient of a request and what was answered about it.
CREATE TABLE request_recipient (
    request      TEXT NOT NULL REFERENCES request (id),
    recipient    TEXT NOT NULL,
    message      TEXT NOT NULL,               -- of a family, the copy this recipient belongs to
    position     BIGINT NOT NULL,
    address      TEXT NOT NULL,
    bcc          BIGINT NOT NULL,             -- 1: in no header field that other recipients see
    answer       TEXT NOT NULL,
    answered_by  TEXT NOT NULL,
    answered_at  BIGINT NOT NULL,
    PRIMARY KEY (request, recipient)
);
CREATE INDEX request_recipient_open ON request_recipient (message) WHERE answer = 'open';

-- One row for each person asked. It stays when the question is closed, so that whoever comes late can be told
-- who was first.
CREATE TABLE question (
    request      TEXT NOT NULL REFERENCES request (id),
    approver     TEXT NOT NULL,               -- person in look-up form, or role:admin
    stage        BIGINT NOT NULL,
    capacity     TEXT NOT NULL,               -- approver, deputy, escalation, admin, sender
    asked_at     BIGINT NOT NULL,
    open         BIGINT NOT NULL,             -- 1: the person is expected to answer
    PRIMARY KEY (request, approver)
);
CREATE INDEX question_open ON question (approver, asked_at, request) WHERE open = 1;

-- What people said. A quorum counts them.
CREATE TABLE voice (
    id           TEXT PRIMARY KEY,
    request      TEXT NOT NULL REFERENCES request (id),
    person       TEXT NOT NULL,
    stage        BIGINT NOT NULL,
    capacity     TEXT NOT NULL,
    verb         TEXT NOT NULL,
    recipients   TEXT NOT NULL,               -- JSON list of ids
    comment      BYTEA NOT NULL,              -- sealed
    spoken_at    BIGINT NOT NULL
);
CREATE INDEX voice_request ON voice (request, spoken_at);
CREATE INDEX voice_person ON voice (person, spoken_at, id);

-- Which of our own mails asks whom, so that a question that bounces finds the next person.
CREATE TABLE question_mail (
    message      TEXT PRIMARY KEY,
    request      TEXT NOT NULL,
    approver     TEXT NOT NULL
);
CREATE INDEX question_mail_request ON question_mail (request);

-- When administrators were last told of a cause, and how often it came since.
CREATE TABLE alarm (
    cause        TEXT PRIMARY KEY,
    told_at      BIGINT NOT NULL,
    since        BIGINT NOT NULL,
    detail       TEXT NOT NULL                -- JSON: ids and counts of the latest, never content
);
