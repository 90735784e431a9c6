-- +goose Up

-- What happened, one row for each change of state, written in that change's own transaction. Written by
-- package audit only, like everything in this file. leaf is what the Merkle log holds: it names people and
-- details by salted hashes, so that the plain columns can be emptied later and the log stays valid.
CREATE TABLE audit_entry (
    id         TEXT   NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    actor      TEXT   NOT NULL,               -- kind:name; only the kind after a purge
    action     TEXT   NOT NULL,
    message    TEXT   NOT NULL,               -- ids, '' where there is none
    recipient  TEXT   NOT NULL,
    object     TEXT   NOT NULL,
    detail     TEXT   NOT NULL,               -- JSON object of strings; '' after a purge
    salt       BYTEA  NOT NULL,               -- empty after a purge
    purge      TEXT   NOT NULL,               -- id of the entry that tells of the purge, '' before
    leaf       BYTEA  NOT NULL,
    number     BIGINT NOT NULL                -- place in the log from 0; -1 until the sequencer gives one
);
CREATE UNIQUE INDEX audit_entry_number ON audit_entry (number) WHERE number >= 0;
CREATE INDEX audit_entry_pending ON audit_entry (at, id) WHERE number < 0;
CREATE INDEX audit_entry_at ON audit_entry (at, id);
CREATE INDEX audit_entry_actor ON audit_entry (actor, at, id);
CREATE INDEX audit_entry_action ON audit_entry (action, at, id);
CREATE INDEX audit_entry_message ON audit_entry (message, at, id) WHERE message <> '';

-- How far the log has come, in one row, and who may continue it. frontier holds the hashes of the complete
-- subtrees, from which the next leaves are added without reading the old ones.
CREATE TABLE audit_head (
    id          BIGINT NOT NULL PRIMARY KEY,  -- always 1
    size        BIGINT NOT NULL,
    frontier    BYTEA  NOT NULL,
    holder      TEXT   NOT NULL,
    lease_until BIGINT NOT NULL
);
INSERT INTO audit_head (id, size, frontier, holder, lease_until) VALUES (1, 0, '', '', 0);

-- Signed statements "so many leaves have this root": the last of every hour, and the last of all.
CREATE TABLE audit_checkpoint (
    size  BIGINT NOT NULL PRIMARY KEY,
    at    BIGINT NOT NULL,
    note  TEXT   NOT NULL
);
