-- An endpoint remembers whose model it draws with also when that is deleted here. With an empty `model_id`
-- everybody of a server could draw, at the server's endpoint, the face that its owner had kept private.

ALTER TABLE endpoints ADD COLUMN deployed_model INTEGER;
UPDATE endpoints SET deployed_model = model_id;
ALTER TABLE endpoints DROP COLUMN model_id;
ALTER TABLE endpoints RENAME COLUMN deployed_model TO model_id;
