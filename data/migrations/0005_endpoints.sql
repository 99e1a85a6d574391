-- People's own Hugging Face inference endpoints, and drawings that go there past the queue of the GPU.

ALTER TABLE jobs ADD COLUMN lane TEXT NOT NULL DEFAULT 'gpu' CHECK (lane IN ('gpu', 'endpoint'));

-- One endpoint a person, and one a guild. Its token lies sealed in `secrets`, purpose 'endpoint'.
CREATE TABLE endpoints (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL CHECK (scope IN ('user', 'guild')),
    scope_id INTEGER NOT NULL,
    url TEXT NOT NULL,
    -- The Hub repository that it draws with, where that is known.
    repository TEXT,
    -- What a prompt says to mean the subject of its model; empty where the model knows nobody.
    trigger TEXT NOT NULL DEFAULT '',
    -- The model of ours that was published there.
    model_id INTEGER REFERENCES models (id) ON DELETE SET NULL,
    -- The account that the token belongs to.
    account TEXT NOT NULL,
    daily_pictures INTEGER,
    wait_seconds INTEGER NOT NULL,
    -- Set for one that was deployed from here: it can be paused, resumed and deleted.
    name TEXT,
    price_per_hour REAL,
    created_at REAL NOT NULL,
    UNIQUE (scope, scope_id)
) STRICT;

-- When a deployed endpoint was told to run, and to stop: what it costs at most, by our clock.
CREATE TABLE endpoint_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint_id INTEGER NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    started_at REAL NOT NULL,
    stopped_at REAL
) STRICT;

-- How long drawings really took, and how many pictures an endpoint was asked for. No endpoint: our own GPU.
-- Rows outlive what they are about, since they hold nothing about anybody.
CREATE TABLE draw_times (
    job_id INTEGER PRIMARY KEY,
    endpoint_id INTEGER,
    pictures INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    started_at REAL NOT NULL,
    -- Unset while it runs, and when it failed.
    seconds REAL
) STRICT;

CREATE INDEX draw_times_by_endpoint ON draw_times (endpoint_id, started_at);
