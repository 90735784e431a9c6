-- +goose Up

-- The oldest schema version whose programs may still work beside this one. Written by migrations only: every later
-- one adds (tables, columns with a default, indexes) and leaves this alone, until one takes something away and says
-- here who can no longer take part. Package db refuses to open a database whose floor lies above what it knows.
CREATE TABLE schema_floor (
    floor  BIGINT NOT NULL
);
INSERT INTO schema_floor (floor) VALUES (5);

-- The nodes that serve on this database, for people who look after them. Nothing is decided by it. Written by package
-- internal/node only.
CREATE TABLE node (
    id          TEXT   NOT NULL PRIMARY KEY,  -- new at every start
    name        TEXT   NOT NULL,              -- of the machine
    version     TEXT   NOT NULL,
    roles       TEXT   NOT NULL,              -- "submission queue web portal"
    digests     TEXT   NOT NULL,              -- JSON: short digests of the files that all nodes should have alike
    started_at  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    left_at     BIGINT NOT NULL               -- 0 = has not said good-bye
);

-- What each node has counted of its clients, so that limits hold for all of them together: recipients by sender,
-- wrong passwords, connections. A node writes its own rows only, each with the whole count, so that writing one twice
-- changes nothing. Written by package submission only.
CREATE TABLE tally (
    kind     TEXT   NOT NULL,
    subject  TEXT   NOT NULL,                 -- keyed hash of who is counted
    opened   BIGINT NOT NULL,                 -- begin of the step or window
    mark     TEXT   NOT NULL,                 -- keyed hash of what is counted once, '' where everything is
    node     TEXT   NOT NULL,
    count    BIGINT NOT NULL,
    at       BIGINT NOT NULL,                 -- last change
    ends_at  BIGINT NOT NULL,
    PRIMARY KEY (kind, subject, opened, mark, node)
);
CREATE INDEX tally_at ON tally (at);
CREATE INDEX tally_ends ON tally (ends_at);

-- The subject of the mail, apart from what a portal may open: it is sealed with the main keys. Written, as the two
-- tables after it, by package linkify only.
ALTER TABLE link ADD COLUMN title BYTEA;

-- A one-time code on its way from a portal, which cannot write mail, to a node that can.
CREATE TABLE link_letter (
    id          TEXT   NOT NULL PRIMARY KEY,
    link        TEXT   NOT NULL,
    sealed      BYTEA  NOT NULL,              -- code, and whom it is for
    created_at  BIGINT NOT NULL
);

-- A proof for each key that portals share: one started with another installation's file, or with one from before a
-- rotation, says so instead of failing at its first visitor.
CREATE TABLE link_key (
    id       TEXT   NOT NULL PRIMARY KEY,
    proof    BYTEA  NOT NULL,
    made_at  BIGINT NOT NULL
);
