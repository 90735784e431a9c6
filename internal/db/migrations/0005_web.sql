-- +goose Up
-- Sessions of the staff pages. token is the SHA-256 of the cookie: a copy of the database opens no session.
CREATE TABLE web_session (
    token      TEXT   NOT NULL PRIMARY KEY,
    content    BYTEA  NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX web_session_expires ON web_session (expires_at);

-- Who has signed in, pinned at the first login. A person has one subject, a subject is one person.
-- refused_* remember the last other subject that claimed to be this person, for the administrator who unbinds.
CREATE TABLE web_identity (
    id              TEXT   NOT NULL PRIMARY KEY,
    issuer          TEXT   NOT NULL,
    subject         TEXT   NOT NULL,
    person          TEXT   NOT NULL,
    roles           TEXT   NOT NULL,
    overage         BIGINT NOT NULL DEFAULT 0,
    bound_at        BIGINT NOT NULL,
    signed_in_at    BIGINT NOT NULL,
    refused_at      BIGINT NOT NULL DEFAULT 0,
    refused_subject TEXT   NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX web_identity_subject ON web_identity (issuer, subject);
CREATE UNIQUE INDEX web_identity_person ON web_identity (person);

-- Bearer tokens of programs. A token acts as the identity that made it and ends with it.
CREATE TABLE web_token (
    id         TEXT   NOT NULL PRIMARY KEY,
    identity   TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL DEFAULT 0,
    revoked_at BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX web_token_hash ON web_token (hash);
CREATE INDEX web_token_identity ON web_token (identity, created_at);
