-- A job that is lost again and again is given up only if it never got further.

-- How much of its work is kept whatever happens: class images and steps of a training, pictures of a drawing.
ALTER TABLE jobs ADD COLUMN reached INTEGER NOT NULL DEFAULT 0;
-- How often it was lost since that last grew.
ALTER TABLE jobs ADD COLUMN fruitless INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET fruitless = attempts WHERE state IN ('queued', 'running');
