-- +goose Up
-- Written by package linkify alone: recipients whose files stay in the mail because TLS to their servers is proved.

CREATE TABLE link_attached (
    recipient   TEXT   NOT NULL PRIMARY KEY,
    message     TEXT   NOT NULL,
    attached_at BIGINT NOT NULL,
    left_at     BIGINT NOT NULL     -- when a copy with the files may have left; 0: not yet
);
CREATE INDEX link_attached_message ON link_attached (message);
