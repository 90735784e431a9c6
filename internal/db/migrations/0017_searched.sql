-- +goose Up

-- What people search the log by is indexed when an entry gets its number, many at a time, and not when it is written,
-- one by one, in the transaction of its cause: there it made four more pages dirty for each mail, and on PostgreSQL,
-- which writes a row and all of its index entries anew when its number comes, every entry was indexed twice. What has
-- no number yet is found through audit_entry_pending: entries of the last second.
DROP INDEX audit_entry_at;
DROP INDEX audit_entry_actor;
DROP INDEX audit_entry_action;
DROP INDEX audit_entry_message;
CREATE INDEX audit_entry_at ON audit_entry (at, id) WHERE number >= 0;
CREATE INDEX audit_entry_actor ON audit_entry (actor, at, id) WHERE number >= 0;
CREATE INDEX audit_entry_action ON audit_entry (action, at, id) WHERE number >= 0;
CREATE INDEX audit_entry_message ON audit_entry (message, at, id) WHERE number >= 0 AND message <> '';

-- Families are found in their own table (0006); nobody looks for a mail by this key.
DROP INDEX message_family_key;
