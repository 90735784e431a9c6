-- +goose Up
-- Written by package linkify alone: who looked at a file without taking it.

-- One row for each browser that looked at a file.
CREATE TABLE link_view (
    session   TEXT   NOT NULL,
    file      TEXT   NOT NULL,
    viewed_at BIGINT NOT NULL,
    PRIMARY KEY (session, file)
);

ALTER TABLE link_download ADD COLUMN viewed      BIGINT NOT NULL DEFAULT 0;    -- 1: this line is no transfer but a look
ALTER TABLE link          ADD COLUMN viewed      BIGINT NOT NULL DEFAULT 0;    -- rows of link_view
ALTER TABLE link          ADD COLUMN last_viewed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE link_content  ADD COLUMN viewed      BIGINT NOT NULL DEFAULT 0;

DROP INDEX link_untold;
CREATE INDEX link_untold ON link (person) WHERE last_taken > told_at OR last_viewed > told_at;
