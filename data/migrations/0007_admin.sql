-- What admins do: moving jobs, reports, and forgetting servers that the bot left.

-- When an admin moved a waiting job to the front.
ALTER TABLE jobs ADD COLUMN moved_at REAL;

CREATE TABLE reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    idx INTEGER NOT NULL,
    reporter_id INTEGER NOT NULL,
    guild_id INTEGER NOT NULL,
    reason TEXT NOT NULL,
    locale TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'removed', 'dismissed')),
    created_at REAL NOT NULL,
    -- The card in the moderators' log; several reports of one picture share one.
    channel_id INTEGER,
    message_id INTEGER,
    UNIQUE (job_id, idx, reporter_id)
) STRICT;

-- Messages that have to disappear from Discord; a row goes once its message did.
CREATE TABLE removals (
    channel_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    asked_at REAL NOT NULL,
    PRIMARY KEY (channel_id, message_id)
) STRICT, WITHOUT ROWID;

-- Servers that the bot is no longer in; what belongs to them goes some days later.
CREATE TABLE departures (
    guild_id INTEGER PRIMARY KEY,
    left_at REAL NOT NULL
) STRICT;

-- What the bot knows about itself, such as which commands it has told Discord.
CREATE TABLE notes (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
