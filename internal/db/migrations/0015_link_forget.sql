-- +goose Up
-- Written by package linkify alone: records that have had their time are found without reading those that have not.

CREATE INDEX link_mail_swept ON link_mail (swept_at) WHERE swept_at > 0;
CREATE INDEX link_attached_at ON link_attached (attached_at);
CREATE INDEX folder_swept ON folder (swept_at) WHERE swept_at > 0;
