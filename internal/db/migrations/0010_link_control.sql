-- +goose Up
-- Written by package linkify alone: what recipients are reminded of, owners told of, and links given anew.

ALTER TABLE link ADD COLUMN reminded_at BIGINT NOT NULL DEFAULT 0;   -- the recipient, before the end
ALTER TABLE link ADD COLUMN told_at     BIGINT NOT NULL DEFAULT 0;   -- the owner, of downloads
ALTER TABLE link ADD COLUMN asked_at    BIGINT NOT NULL DEFAULT 0;   -- somebody with the expired link, to open it again

-- A link given anew belongs to the mail whose files it has, and to a recipient of the mail that brings it.
CREATE INDEX link_recipient ON link (recipient);
CREATE INDEX link_untold ON link (person) WHERE last_taken > told_at;
