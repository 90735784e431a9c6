-- +goose Up
-- Written by package linkify alone: what a later look for malware said.

ALTER TABLE link_blob ADD COLUMN scanned_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE link_blob ADD COLUMN malware    TEXT   NOT NULL DEFAULT '';    -- its name; '' when none was found
