-- Erasing goes in small steps: whose turn it is, until nothing of theirs is left. A restart goes on with it.
CREATE TABLE erasures (
    scope TEXT NOT NULL CHECK (scope IN ('user', 'guild')),
    scope_id INTEGER NOT NULL,
    PRIMARY KEY (scope, scope_id)
) STRICT, WITHOUT ROWID;
