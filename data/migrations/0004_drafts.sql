-- Trainings that were prepared and not started yet. Their cropped photos lie in drafts/<id>.

CREATE TABLE drafts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL,
    guild_id INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,
    locale TEXT NOT NULL,
    -- JSON: what was asked for, the crops, and what was said about photos that can't be used.
    wish TEXT NOT NULL,
    crops TEXT NOT NULL,
    notices TEXT NOT NULL,
    -- When the person said that these photos may be used.
    consent_at REAL NOT NULL,
    created_at REAL NOT NULL
) STRICT;

CREATE INDEX drafts_by_person ON drafts (user_id, guild_id);
