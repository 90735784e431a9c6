-- +goose Up
-- Written by package linkify alone. Names, addresses and subjects are sealed; a digest is a keyed MAC, so that
-- nobody with the database can ask whether a file they know was sent.

-- What is common to the linked files of one mail.
CREATE TABLE link_mail (
    message     TEXT   NOT NULL PRIMARY KEY,
    legal_hold  BIGINT NOT NULL,
    touched_at  BIGINT NOT NULL,    -- last time a file was about to be stored
    swept_at    BIGINT NOT NULL
);

-- A stored file: content once per mail, however many parts and recipients share it.
CREATE TABLE link_blob (
    message     TEXT   NOT NULL,
    digest      TEXT   NOT NULL,    -- MAC of message and SHA-256
    object      TEXT   NOT NULL,    -- key in the store
    size        BIGINT NOT NULL,    -- of the plain bytes
    key_id      TEXT   NOT NULL,    -- of the MAC that binds the object to this row
    state       TEXT   NOT NULL,    -- storing, stored, deleting, deleted
    stored_at   BIGINT NOT NULL,
    deleted_at  BIGINT NOT NULL,
    PRIMARY KEY (message, digest)
);
CREATE UNIQUE INDEX link_blob_object ON link_blob (object);

-- A part that was taken out of the mail: a name for a content.
CREATE TABLE link_file (
    id          TEXT   NOT NULL PRIMARY KEY,
    message     TEXT   NOT NULL,
    path        TEXT   NOT NULL,    -- place of the part in the mail
    digest      TEXT   NOT NULL,
    size        BIGINT NOT NULL,
    sealed      BYTEA  NOT NULL,    -- name, type, SHA-256
    created_at  BIGINT NOT NULL,
    UNIQUE (message, path, digest)
);

-- One link per recipient of one mail. A new generation is a new token for the same row.
CREATE TABLE link (
    id           TEXT   NOT NULL PRIMARY KEY,
    message      TEXT   NOT NULL,
    recipient    TEXT   NOT NULL,
    generation   BIGINT NOT NULL,
    token        TEXT   NOT NULL,   -- hex SHA-256 of the token
    key_id       TEXT   NOT NULL,   -- of the key that makes the token
    state        TEXT   NOT NULL,   -- inactive, active, revoked, expired
    access       TEXT   NOT NULL,   -- open, code
    shared       BIGINT NOT NULL,
    person       TEXT   NOT NULL,   -- look-up form of the owner's address
    sealed       BYTEA  NOT NULL,   -- addresses, names, subject
    plan         BYTEA  NOT NULL,   -- sealed: files, notice and dates as fixed at the first Prepare
    body         TEXT   NOT NULL,   -- hex SHA-256 of the mail as rewritten
    version      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    activated_at BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,
    ended_by     TEXT   NOT NULL,
    cause        TEXT   NOT NULL,
    files        BIGINT NOT NULL,
    taken        BIGINT NOT NULL,   -- kept, never counted from rows
    first_taken  BIGINT NOT NULL,
    last_taken   BIGINT NOT NULL,
    UNIQUE (message, recipient)
);
CREATE UNIQUE INDEX link_token ON link (token);
CREATE INDEX link_person ON link (person, id);
CREATE INDEX link_state ON link (state, id);

CREATE TABLE link_content (
    link        TEXT   NOT NULL,
    file        TEXT   NOT NULL,
    position    BIGINT NOT NULL,
    taken       BIGINT NOT NULL,
    PRIMARY KEY (link, file)
);

-- A browser that may download through a link.
CREATE TABLE link_session (
    id          TEXT   NOT NULL PRIMARY KEY,
    link        TEXT   NOT NULL,
    browser     TEXT   NOT NULL,    -- hex SHA-256 of the cookie's secret
    passed      TEXT   NOT NULL,    -- open, code: what it has shown
    sealed      BYTEA  NOT NULL,    -- the address that a code was sent to
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    UNIQUE (link, browser)
);

-- How much of a file a browser has: the union of ranges decides when it is whole.
CREATE TABLE link_take (
    session     TEXT   NOT NULL,
    file        TEXT   NOT NULL,
    ranges      TEXT   NOT NULL,    -- "0-99,200-299"
    transfers   BIGINT NOT NULL,
    bytes       BIGINT NOT NULL,
    complete_at BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    PRIMARY KEY (session, file)
);

-- The log of downloads: one row per transfer, only added to; address and agent can be blanked.
CREATE TABLE link_download (
    id           TEXT   NOT NULL PRIMARY KEY,
    message      TEXT   NOT NULL,
    link         TEXT   NOT NULL,
    file         TEXT   NOT NULL,
    session      TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    bytes        BIGINT NOT NULL,
    complete     BIGINT NOT NULL,
    sealed       BYTEA  NOT NULL,   -- who showed a code
    address_hash TEXT   NOT NULL,   -- keyed MAC: equal visitors stay recognisable after the purge
    address      TEXT   NOT NULL,
    agent        TEXT   NOT NULL
);
CREATE INDEX link_download_message ON link_download (message, id);
CREATE INDEX link_download_link ON link_download (link, id);
CREATE INDEX link_download_plain ON link_download (at) WHERE address <> '' OR agent <> '';

CREATE TABLE link_code (
    id          TEXT   NOT NULL PRIMARY KEY,
    link        TEXT   NOT NULL,
    browser     TEXT   NOT NULL,    -- hex SHA-256: a code works only where it was asked for
    code        TEXT   NOT NULL,    -- hex MAC
    key_id      TEXT   NOT NULL,
    sealed      BYTEA  NOT NULL,    -- the address it went to
    tries       BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT NOT NULL,
    UNIQUE (link, browser)
);

-- Requests within a window, per link, address or network.
CREATE TABLE link_rate (
    subject     TEXT   NOT NULL,    -- hex MAC of what is limited
    opened_at   BIGINT NOT NULL,    -- begin of the window
    ends_at     BIGINT NOT NULL,
    count       BIGINT NOT NULL,
    PRIMARY KEY (subject, opened_at)
);
CREATE INDEX link_rate_ends ON link_rate (ends_at);
