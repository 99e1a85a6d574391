-- Models leave the bot: as a file that their owner takes along, or to a repository on the Hugging Face Hub.

-- One export or publication, from the moment that somebody asked for it. A running one goes on after a restart.
CREATE TABLE handovers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('export', 'publish')),
    -- 'asked' waits for a second yes, because it would be public.
    state TEXT NOT NULL CHECK (state IN ('asked', 'running', 'done', 'failed', 'cancelled')),
    user_id INTEGER NOT NULL,
    guild_id INTEGER NOT NULL,
    model_id INTEGER NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    locale TEXT NOT NULL,
    -- The card in a direct message, once the interaction that asked is over.
    channel_id INTEGER,
    message_id INTEGER,
    -- Of an export. The path begins at home.
    format TEXT CHECK (format IN ('safetensors', 'ckpt', 'lora')),
    half INTEGER NOT NULL DEFAULT 0,
    path TEXT,
    size_bytes INTEGER,
    -- Of a publication. Its token lies sealed in `secrets`, purpose 'publish', as long as it is needed.
    repository TEXT,
    public INTEGER NOT NULL DEFAULT 0,
    -- Whether the token stays afterwards, purpose 'hub', because its owner said so.
    keep_token INTEGER NOT NULL DEFAULT 0,
    url TEXT,
    -- How often a process of the bot took it up.
    attempts INTEGER NOT NULL DEFAULT 0,
    error_code TEXT,
    error TEXT,
    announced INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    finished_at REAL
) STRICT;

-- One at a time a person.
CREATE UNIQUE INDEX handovers_open ON handovers (user_id) WHERE state IN ('asked', 'running');
CREATE INDEX handovers_by_model ON handovers (model_id);

-- What lies on the Hub now: which model, where, and who may see it. A row outlives its model.
CREATE TABLE publications (
    user_id INTEGER NOT NULL,
    repository TEXT NOT NULL,
    guild_id INTEGER NOT NULL,
    model_id INTEGER REFERENCES models (id) ON DELETE SET NULL,
    url TEXT NOT NULL,
    visibility TEXT NOT NULL CHECK (visibility IN ('private', 'public')),
    revision TEXT NOT NULL,
    published_at REAL NOT NULL,
    PRIMARY KEY (user_id, repository)
) STRICT, WITHOUT ROWID;

CREATE INDEX publications_by_model ON publications (model_id) WHERE model_id IS NOT NULL;
