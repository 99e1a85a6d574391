-- What a publication found in its repository is told on its card, also after a restart.

-- Paths of the files there that are not ours and were left alone, as a JSON list.
ALTER TABLE handovers ADD COLUMN others TEXT NOT NULL DEFAULT '[]';
-- Whether it took the repository out of everybody's sight.
ALTER TABLE handovers ADD COLUMN made_private INTEGER NOT NULL DEFAULT 0;
