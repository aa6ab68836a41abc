// SPDX-License-Identifier: Apache-2.0
// The tables of docs/sqlite-schema.md. A change needs a new version number and a migration.
#pragma once

namespace flannel {

inline constexpr int kSqliteSchema = 2;  // PRAGMA user_version

// Triggers write the history, so that it includes what an operator writes with other tools.
inline constexpr const char* kSqliteTables = R"sql(
CREATE TABLE store (id BLOB NOT NULL);
INSERT INTO store VALUES (randomblob(16));

CREATE TABLE record (
  prefix TEXT NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  ttl INTEGER,
  expires INTEGER,
  revision INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (prefix, key)
) WITHOUT ROWID;
CREATE INDEX record_by_expiry ON record (expires) WHERE expires IS NOT NULL;

CREATE TABLE config (
  prefix TEXT NOT NULL PRIMARY KEY,
  text BLOB NOT NULL,
  revision INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE history (
  revision INTEGER PRIMARY KEY AUTOINCREMENT,
  prefix TEXT NOT NULL,
  change TEXT NOT NULL,
  key TEXT,
  value BLOB,
  expires INTEGER,
  created INTEGER
);
INSERT INTO history (prefix, change) VALUES ('', 'created');

CREATE TRIGGER history_is_kept_short AFTER INSERT ON history BEGIN
  DELETE FROM history WHERE revision <= NEW.revision - 10000;
END;
CREATE TRIGGER record_is_deleted AFTER DELETE ON record BEGIN
  INSERT INTO history (prefix, change, key) VALUES (OLD.prefix, 'gone', OLD.key);
END;
CREATE TRIGGER config_is_inserted AFTER INSERT ON config BEGIN
  INSERT INTO history (prefix, change, value) VALUES (NEW.prefix, 'config', NEW.text);
  UPDATE config SET revision = (SELECT max(revision) FROM history)
    WHERE prefix = NEW.prefix;
END;
CREATE TRIGGER config_is_updated AFTER UPDATE OF text ON config BEGIN
  INSERT INTO history (prefix, change, value) VALUES (NEW.prefix, 'config', NEW.text);
  UPDATE config SET revision = (SELECT max(revision) FROM history)
    WHERE prefix = NEW.prefix;
END;
CREATE TRIGGER config_is_deleted AFTER DELETE ON config BEGIN
  INSERT INTO history (prefix, change) VALUES (OLD.prefix, 'no config');
END;

PRAGMA user_version = 2;
)sql";

// The triggers on records, which are created after either of the two texts.
inline constexpr const char* kSqliteRecordTriggers = R"sql(
CREATE TRIGGER record_is_inserted AFTER INSERT ON record BEGIN
  INSERT INTO history (prefix, change, key, value, expires)
    VALUES (NEW.prefix, 'put', NEW.key, NEW.value, NEW.expires);
  UPDATE record SET (revision, created) = (SELECT max(revision), max(revision) FROM history)
    WHERE prefix = NEW.prefix AND key = NEW.key;
END;
CREATE TRIGGER record_is_updated AFTER UPDATE OF value ON record BEGIN
  INSERT INTO history (prefix, change, key, value, expires, created)
    VALUES (NEW.prefix, 'put', NEW.key, NEW.value, NEW.expires, NEW.created);
  UPDATE record SET revision = (SELECT max(revision) FROM history)
    WHERE prefix = NEW.prefix AND key = NEW.key;
END;
)sql";

// Migrates from version 1, which did not store when a record was created: its last change is used
// instead.
inline constexpr const char* kSqliteFromVersion1 = R"sql(
ALTER TABLE record ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
UPDATE record SET created = revision;
ALTER TABLE history ADD COLUMN created INTEGER;
DROP TRIGGER record_is_inserted;
DROP TRIGGER record_is_updated;
PRAGMA user_version = 2;
)sql";

}  // namespace flannel
