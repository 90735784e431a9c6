-- +goose Up

-- Mails whose client may not have heard the 250, by what a client sends again unchanged: a row is written with the
-- mail and goes when the client has been heard since. After a crash those that are left are in doubt. It takes the
-- place of message.resend_key and message.answered_at, which are empty and 0 from now on: most mails are answered
-- within the second, and their rows need not be written again for that. Written by package holdqueue only.
CREATE TABLE doubt (
    resend_key   BYTEA  NOT NULL PRIMARY KEY, -- keyed hash of sender, recipients, Message-ID and content
    message      TEXT   NOT NULL,
    accepted_at  BIGINT NOT NULL
);
CREATE INDEX doubt_accepted ON doubt (accepted_at);
DROP INDEX message_resend;

-- Small bodies, beside their rows in message: SQLite writes a row anew as a whole when a time in it changes, and a
-- mail changes six times on its way. PostgreSQL keeps large values apart by itself, and there they stay in
-- message.body. Written by package holdqueue only.
CREATE TABLE content (
    message  TEXT  NOT NULL PRIMARY KEY,
    body     BYTEA NOT NULL                   -- sealed
);

-- Twice a second the checkpoints of this hour make room for the newest.
CREATE INDEX audit_checkpoint_at ON audit_checkpoint (at);
