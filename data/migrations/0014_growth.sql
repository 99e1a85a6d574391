-- What grows for ever gets bounds, and what is asked of it gets indexes.

-- Servers say how long drawn pictures are kept, and how many of each person.
-- Whether time or room ran out for a picture, and not its owner who deleted it.
ALTER TABLE pictures ADD COLUMN expired INTEGER NOT NULL DEFAULT 0 CHECK (expired IN (0, 1));
-- Walks through what is kept, oldest first, in pieces.
CREATE INDEX pictures_kept ON pictures (created_at, id) WHERE deleted_at IS NULL;
-- Finds what a crash may have left on disk of it.
CREATE INDEX pictures_expired ON pictures (deleted_at) WHERE expired = 1;

-- What is asked all the time must not become slower with every job that ever was.

-- When somebody was last served in a lane: the fair order asks it for every job that waits.
DROP INDEX jobs_by_user;
CREATE INDEX jobs_by_user ON jobs (user_id, kind, lane, started_at);
-- A person's newest jobs, and what they asked for today.
CREATE INDEX jobs_by_time ON jobs (user_id, created_at);
CREATE INDEX jobs_open ON jobs (user_id, kind) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_guild ON jobs (guild_id, kind, user_id);
-- The newest jobs that a speed is measured on, also of a base that nobody ever used.
CREATE INDEX jobs_measured ON jobs (kind, json_extract(payload, '$.base'))
    WHERE state = 'done' AND lane = 'gpu' AND attempts = 0;
