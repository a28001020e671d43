"""The tables of the SQLite file under the transcripts, as steps from each version to the next."""

from __future__ import annotations

# One entry a schema version, each a list of statements; entries are added at the end and never changed.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE sessions (
            id TEXT PRIMARY KEY,
            title TEXT NOT NULL,
            created TEXT NOT NULL,
            ended TEXT,
            state TEXT NOT NULL CHECK (state IN ('live', 'ended', 'interrupted')),
            language TEXT,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            continues TEXT
        ) STRICT
        """,
        "CREATE INDEX sessions_by_time ON sessions (created DESC, id)",
        """
        CREATE TABLE events (
            session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
            number INTEGER NOT NULL CHECK (number > 0),
            kind TEXT NOT NULL CHECK (kind IN ('final', 'revision', 'gap')),
            payload TEXT NOT NULL,
            PRIMARY KEY (session, number)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE segments (
            session TEXT NOT NULL,
            id TEXT NOT NULL,
            event INTEGER NOT NULL,
            place INTEGER NOT NULL,
            replaced_by INTEGER,
            source TEXT NOT NULL CHECK (source IN ('mic', 'system')),
            start REAL NOT NULL,
            "end" REAL NOT NULL,
            text TEXT NOT NULL,
            start_sample INTEGER NOT NULL,
            end_sample INTEGER NOT NULL,
            words TEXT NOT NULL,
            language TEXT,
            PRIMARY KEY (session, id),
            UNIQUE (session, event, place),
            FOREIGN KEY (session, event) REFERENCES events ON DELETE CASCADE
        ) STRICT
        """,
        """
        CREATE TABLE coverage (
            session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
            source TEXT NOT NULL CHECK (source IN ('mic', 'system')),
            captured INTEGER NOT NULL,
            received INTEGER NOT NULL,
            transcribed INTEGER NOT NULL,
            silence INTEGER NOT NULL,
            pending INTEGER NOT NULL,
            lost INTEGER NOT NULL,
            lost_ranges TEXT NOT NULL,
            PRIMARY KEY (session, source)
        ) STRICT, WITHOUT ROWID
        """,
    ),
    (
        """
        CREATE TABLE resumable (
            session TEXT PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
            record TEXT NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
    ),
    (
        # The index finds segments by a key that stays theirs; SQLite may give out hidden row ids anew.
        """
        CREATE TABLE keyed_segments (
            key INTEGER PRIMARY KEY,
            session TEXT NOT NULL,
            id TEXT NOT NULL,
            event INTEGER NOT NULL,
            place INTEGER NOT NULL,
            replaced_by INTEGER,
            source TEXT NOT NULL CHECK (source IN ('mic', 'system')),
            start REAL NOT NULL,
            "end" REAL NOT NULL,
            text TEXT NOT NULL,
            start_sample INTEGER NOT NULL,
            end_sample INTEGER NOT NULL,
            words TEXT NOT NULL,
            language TEXT,
            -- every word was only overheard, so that the other source has it
            echo INTEGER NOT NULL GENERATED ALWAYS AS
                (words LIKE '%"bleed":true%' AND words NOT LIKE '%"bleed":false%') VIRTUAL,
            UNIQUE (session, id),
            UNIQUE (session, event, place),
            FOREIGN KEY (session, event) REFERENCES events ON DELETE CASCADE
        ) STRICT
        """,
        """
        INSERT INTO keyed_segments (session, id, event, place, replaced_by, source, start, "end", text,
            start_sample, end_sample, words, language)
        SELECT session, id, event, place, replaced_by, source, start, "end", text,
            start_sample, end_sample, words, language FROM segments
        """,
        "DROP TABLE segments",
        "ALTER TABLE keyed_segments RENAME TO segments",
        """
        CREATE VIRTUAL TABLE search USING fts5(
            text, content = 'segments', content_rowid = 'key', tokenize = "unicode61 remove_diacritics 2"
        )
        """,
        "INSERT INTO search (rowid, text) SELECT key, text FROM segments WHERE replaced_by IS NULL",
        """
        CREATE TRIGGER segment_is_found AFTER INSERT ON segments WHEN new.replaced_by IS NULL BEGIN
            INSERT INTO search (rowid, text) VALUES (new.key, new.text);
        END
        """,
        """
        CREATE TRIGGER replaced_segment_is_not_found AFTER UPDATE OF replaced_by ON segments
        WHEN old.replaced_by IS NULL AND new.replaced_by IS NOT NULL BEGIN
            INSERT INTO search (search, rowid, text) VALUES ('delete', old.key, old.text);
        END
        """,
        """
        CREATE TRIGGER deleted_segment_is_not_found AFTER DELETE ON segments
        WHEN old.replaced_by IS NULL BEGIN
            INSERT INTO search (search, rowid, text) VALUES ('delete', old.key, old.text);
        END
        """,
    ),
    (
        # Words that were only overheard are found where they were said, in the other source.
        "ALTER TABLE segments DROP COLUMN echo",
        "ALTER TABLE segments ADD COLUMN own TEXT",  # the text without such words, where there are any
        "ALTER TABLE segments ADD COLUMN said TEXT GENERATED ALWAYS AS (coalesce(own, text)) VIRTUAL",
        """
        UPDATE segments SET own = coalesce((
            SELECT group_concat(value ->> 'text', ' ') FROM json_each(words) WHERE NOT value ->> 'bleed'
        ), '') WHERE words LIKE '%"bleed":true%'
        """,
        "DROP TRIGGER segment_is_found",
        "DROP TRIGGER replaced_segment_is_not_found",
        "DROP TRIGGER deleted_segment_is_not_found",
        "DROP TABLE search",
        """
        CREATE VIRTUAL TABLE search USING fts5(
            said, content = 'segments', content_rowid = 'key', tokenize = "unicode61 remove_diacritics 2"
        )
        """,
        "INSERT INTO search (rowid, said) SELECT key, said FROM segments WHERE replaced_by IS NULL",
        """
        CREATE TRIGGER segment_is_found AFTER INSERT ON segments WHEN new.replaced_by IS NULL BEGIN
            UPDATE segments SET own = coalesce((
                SELECT group_concat(value ->> 'text', ' ') FROM json_each(words) WHERE NOT value ->> 'bleed'
            ), '') WHERE key = new.key AND words LIKE '%"bleed":true%';
            INSERT INTO search (rowid, said) SELECT key, said FROM segments WHERE key = new.key;
        END
        """,
        """
        CREATE TRIGGER replaced_segment_is_not_found AFTER UPDATE OF replaced_by ON segments
        WHEN old.replaced_by IS NULL AND new.replaced_by IS NOT NULL BEGIN
            INSERT INTO search (search, rowid, said) VALUES ('delete', old.key, old.said);
        END
        """,
        """
        CREATE TRIGGER deleted_segment_is_not_found AFTER DELETE ON segments
        WHEN old.replaced_by IS NULL BEGIN
            INSERT INTO search (search, rowid, said) VALUES ('delete', old.key, old.said);
        END
        """,
    ),
    (
        """
        CREATE TABLE refined (
            session TEXT PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
            result TEXT NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
    ),
    (
        """
        CREATE TABLE wished (
            number INTEGER PRIMARY KEY,
            session TEXT NOT NULL UNIQUE REFERENCES sessions ON DELETE CASCADE,
            provider TEXT NOT NULL,
            model TEXT NOT NULL
        ) STRICT
        """,
    ),
)
