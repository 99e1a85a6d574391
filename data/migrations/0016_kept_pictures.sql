-- Servers say how long drawn pictures are kept, and how many of each person.

-- Whether time or room ran out for a picture, and not its owner who deleted it.
ALTER TABLE pictures ADD COLUMN expired INTEGER NOT NULL DEFAULT 0 CHECK (expired IN (0, 1));
-- Walks through what is kept, oldest first, in pieces.
CREATE INDEX pictures_kept ON pictures (created_at, id) WHERE deleted_at IS NULL;
-- Finds what a crash may have left on disk of it.
CREATE INDEX pictures_expired ON pictures (deleted_at) WHERE expired = 1;
