-- People's Hugging Face tokens, sealed: without the key, which is not in the database, they are noise.

CREATE TABLE secrets (
    -- 'user' and 'guild' count their ids apart.
    scope TEXT NOT NULL CHECK (scope IN ('user', 'guild')),
    scope_id INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created_at REAL NOT NULL,
    PRIMARY KEY (scope, scope_id, purpose)
) STRICT, WITHOUT ROWID;
