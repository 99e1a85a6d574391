-- The first shape: jobs own everything that is asked for, models and pictures are what came of them.
-- Times are Unix seconds. Paths are relative to LIKENESS_HOME, so that a restored backup may lie elsewhere.

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('train', 'draw')),
    state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    user_id INTEGER NOT NULL,
    guild_id INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,
    message_id INTEGER,
    payload TEXT NOT NULL,
    phase TEXT,
    step INTEGER NOT NULL DEFAULT 0,
    steps INTEGER NOT NULL DEFAULT 0,
    loss REAL,
    seconds_left REAL,
    error_code TEXT,
    error TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    model_id INTEGER REFERENCES models (id) ON DELETE SET NULL,
    consent_at REAL,
    photos INTEGER NOT NULL DEFAULT 0,
    locale TEXT NOT NULL DEFAULT 'en',
    announced INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX jobs_by_state ON jobs (state, kind);
-- Serves both "this person's jobs" and the fair order, which asks when a person was last served.
CREATE INDEX jobs_by_user ON jobs (user_id, kind, started_at);
CREATE INDEX jobs_unannounced ON jobs (finished_at) WHERE announced = 0;

CREATE TABLE models (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id INTEGER NOT NULL,
    guild_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    class_name TEXT NOT NULL,
    base TEXT NOT NULL,
    path TEXT NOT NULL,
    trigger TEXT NOT NULL,
    photos INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    -- One model a job: finishing a job twice after a crash can't make two.
    job_id INTEGER NOT NULL UNIQUE REFERENCES jobs (id),
    created_at REAL NOT NULL
) STRICT;

CREATE INDEX models_by_owner ON models (owner_id, guild_id);

CREATE TABLE pictures (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id INTEGER NOT NULL REFERENCES jobs (id),
    idx INTEGER NOT NULL,
    path TEXT NOT NULL,
    prompt TEXT NOT NULL,
    seed INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    created_at REAL NOT NULL,
    deleted_at REAL,
    UNIQUE (job_id, idx)
) STRICT;

-- Only what a guild changed; everything else follows the defaults of the code.
CREATE TABLE settings (
    guild_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (guild_id, key)
) STRICT, WITHOUT ROWID;
