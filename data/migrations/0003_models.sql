-- Models get what people do with them: a name of their own, sharing, a favourite, and how they were made.

ALTER TABLE models ADD COLUMN method TEXT NOT NULL DEFAULT 'full' CHECK (method IN ('full', 'lora'));
ALTER TABLE models ADD COLUMN title TEXT NOT NULL DEFAULT '';
UPDATE models SET title = name;
ALTER TABLE models ADD COLUMN shared INTEGER NOT NULL DEFAULT 0;
ALTER TABLE models ADD COLUMN is_default INTEGER NOT NULL DEFAULT 0;
ALTER TABLE models ADD COLUMN size_bytes INTEGER NOT NULL DEFAULT 0;

-- One favourite a person and guild.
CREATE UNIQUE INDEX models_default ON models (owner_id, guild_id) WHERE is_default = 1;
CREATE INDEX models_shared ON models (guild_id) WHERE shared = 1;
-- Counts what was drawn with a model, and finds what still wants to be.
CREATE INDEX jobs_by_model ON jobs (model_id, kind) WHERE model_id IS NOT NULL;
