-- What a job shows of itself: how a training uses the memory, and which pictures the safety checker hid.

-- JSON of the trainer's `Plan`; null until it has chosen one.
ALTER TABLE jobs ADD COLUMN plan TEXT;

-- What is on disk of such a picture is a blur.
ALTER TABLE pictures ADD COLUMN flagged INTEGER NOT NULL DEFAULT 0 CHECK (flagged IN (0, 1));
