-- +goose Up
-- Written by package linkify alone: folders into which people outside put files for one of ours.

CREATE TABLE folder (
    id          TEXT   NOT NULL PRIMARY KEY,
    person      TEXT   NOT NULL,    -- look-up form of the owner's address
    token       TEXT   NOT NULL,    -- hex SHA-256 of the token
    key_id      TEXT   NOT NULL,    -- of the key that makes the token
    state       TEXT   NOT NULL,    -- open, closed, expired
    sealed      BYTEA  NOT NULL,    -- title, addresses, names
    max_file    BIGINT NOT NULL,    -- bytes
    max_bytes   BIGINT NOT NULL,    -- of all files together
    max_files   BIGINT NOT NULL,
    files       BIGINT NOT NULL,    -- promised or there; kept, never counted from rows
    bytes       BIGINT NOT NULL,
    told        BIGINT NOT NULL,    -- files the owner has been told of
    version     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    ended_at    BIGINT NOT NULL,
    ended_by    TEXT   NOT NULL,
    swept_at    BIGINT NOT NULL
);
CREATE UNIQUE INDEX folder_token ON folder (token);
CREATE INDEX folder_person ON folder (person, id);

-- One file on its way into a folder, or in it.
CREATE TABLE folder_file (
    id          TEXT   NOT NULL PRIMARY KEY,
    folder      TEXT   NOT NULL,
    browser     TEXT   NOT NULL,    -- hex SHA-256 of the cookie's secret: nobody else may go on with it
    state       TEXT   NOT NULL,    -- arriving, checking, clean, unchecked, infected, dropped
    size        BIGINT NOT NULL,    -- as promised at the start
    received    BIGINT NOT NULL,    -- bytes that are durable
    sealed      BYTEA  NOT NULL,    -- name, SHA-256, what the check said
    address     TEXT   NOT NULL,    -- where it came from; can be blanked
    created_at  BIGINT NOT NULL,
    ended_at    BIGINT NOT NULL     -- when the last byte came, or when it was dropped
);
CREATE INDEX folder_file_folder ON folder_file (folder, id);
CREATE INDEX folder_file_plain ON folder_file (created_at) WHERE address <> '';

-- A piece of a file: one encrypted object in the store.
CREATE TABLE folder_part (
    file        TEXT   NOT NULL,
    start       BIGINT NOT NULL,    -- offset in the file
    size        BIGINT NOT NULL,    -- of the plain bytes
    object      TEXT   NOT NULL,    -- key in the store
    key_id      TEXT   NOT NULL,    -- of the MAC that binds the object to this row
    stored_at   BIGINT NOT NULL,
    PRIMARY KEY (file, start)
);
CREATE UNIQUE INDEX folder_part_object ON folder_part (object);
