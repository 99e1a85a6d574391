-- Prompts that people share, what others think of them, and the styles that prompts can be put into.

-- One card in a gallery channel: a picture that somebody shared, or the samples of a training.
CREATE TABLE shared (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guild_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    -- The picture, or the first of the samples. Shared twice is one card.
    picture_id INTEGER NOT NULL UNIQUE REFERENCES pictures (id) ON DELETE CASCADE,
    -- Where the card is; null until it is posted.
    channel_id INTEGER,
    message_id INTEGER,
    prompt TEXT NOT NULL,
    -- The trigger phrase in the prompt, whose place another person's takes.
    subject TEXT NOT NULL,
    works INTEGER NOT NULL DEFAULT 0,
    fails INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    -- The share of "works" as if one had said so and two had not: few votes count for little.
    score REAL GENERATED ALWAYS AS ((works + 1.0) / (works + fails + 3.0)) VIRTUAL
) STRICT;

CREATE INDEX shared_by_score ON shared (guild_id, score);
CREATE INDEX shared_by_job ON shared (job_id);
CREATE INDEX shared_by_user ON shared (user_id);

CREATE TABLE votes (
    shared_id INTEGER NOT NULL REFERENCES shared (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL,
    works INTEGER NOT NULL CHECK (works IN (0, 1)),
    PRIMARY KEY (shared_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX votes_by_user ON votes (user_id);

-- The counts follow the votes by themselves, also where a person's votes are erased with everything of theirs.
CREATE TRIGGER vote_cast AFTER INSERT ON votes BEGIN
    UPDATE shared SET works = works + NEW.works, fails = fails + 1 - NEW.works WHERE id = NEW.shared_id;
END;
CREATE TRIGGER vote_changed AFTER UPDATE ON votes BEGIN
    UPDATE shared SET works = works + NEW.works - OLD.works, fails = fails + OLD.works - NEW.works
    WHERE id = NEW.shared_id;
END;
CREATE TRIGGER vote_gone AFTER DELETE ON votes BEGIN
    UPDATE shared SET works = works - OLD.works, fails = fails - 1 + OLD.works WHERE id = OLD.shared_id;
END;

-- What was searched for, so that the buttons of a result's pages know it for ever.
CREATE TABLE searches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guild_id INTEGER NOT NULL,
    words TEXT NOT NULL,
    UNIQUE (guild_id, words)
) STRICT;

-- When a guild's last digest was posted.
CREATE TABLE digests (
    guild_id INTEGER PRIMARY KEY,
    sent_at REAL NOT NULL
) STRICT;

-- Styles that admins added to the built-in ones.
CREATE TABLE styles (
    guild_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    template TEXT NOT NULL,
    created_at REAL NOT NULL,
    PRIMARY KEY (guild_id, name)
) STRICT, WITHOUT ROWID;
