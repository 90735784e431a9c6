-- What the database user of a download portal may do, and nothing else. Run as the owner of Sekisho's tables (the user
-- in database.url of the other nodes); running it again is harmless, and needed after an update of Sekisho.

GRANT USAGE ON SCHEMA {schema} TO {user};
GRANT SELECT ON goose_db_version, schema_floor, link_key TO {user};

-- Links, files and what was taken. Not the title of a link, which is the subject of a mail.
GRANT SELECT (id, message, recipient, generation, token, key_id, state, access, shared, person, sealed, plan, body, version,
  created_at, expires_at, activated_at, ended_at, ended_by, cause, files, taken, first_taken, last_taken, viewed) ON link TO {user};
GRANT UPDATE (taken, first_taken, last_taken, viewed, last_viewed) ON link TO {user};
GRANT SELECT, UPDATE (taken, viewed) ON link_content TO {user};
GRANT SELECT ON link_file TO {user};
GRANT SELECT, UPDATE (scanned_at, malware) ON link_blob TO {user};
GRANT SELECT, INSERT, UPDATE ON link_session, link_take, link_code, link_rate TO {user};
GRANT SELECT, INSERT ON link_view TO {user};
GRANT INSERT ON link_download, link_letter TO {user};

-- Folders into which people outside put files.
GRANT SELECT ON folder TO {user};
GRANT UPDATE (state, files, bytes, told, expires_at, ended_at, ended_by, swept_at, version) ON folder TO {user};
GRANT SELECT, INSERT ON folder_part TO {user};
GRANT SELECT, INSERT, UPDATE ON folder_file TO {user};
-- Whether a file may be taken out is for the nodes to say that look into it.
ALTER TABLE folder_file ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS sekisho_portal ON folder_file;
CREATE POLICY sekisho_portal ON folder_file TO {user} USING (true) WITH CHECK (state IN ('arriving', 'checking', 'dropped'));

-- The log of what visitors did: only lines of its own sort, and no way to read or change any.
GRANT INSERT ON audit_entry TO {user};
ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS sekisho_portal ON audit_entry;
CREATE POLICY sekisho_portal ON audit_entry FOR INSERT TO {user}
  WITH CHECK (actor = 'visitor' AND (action LIKE 'link.%' OR action LIKE 'folder.%') AND number = -1 AND purge = '');

-- Work it leaves to the other nodes: only of its own kinds.
GRANT INSERT ON work TO {user};
ALTER TABLE work ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS sekisho_portal ON work;
CREATE POLICY sekisho_portal ON work FOR INSERT TO {user}
  WITH CHECK (kind IN ('link.letter', 'link.ask', 'link.digest', 'link.malware', 'link.damage', 'folder.check', 'folder.tell') AND attempt = '' AND tries = 0);

-- The list of nodes: only its own sort of line.
GRANT SELECT, INSERT, UPDATE, DELETE ON node TO {user};
ALTER TABLE node ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS sekisho_portal ON node;
CREATE POLICY sekisho_portal ON node TO {user} USING (roles = 'portal') WITH CHECK (roles = 'portal' AND digests = '{}');
