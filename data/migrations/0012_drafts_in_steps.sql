-- A draft may wait for its form, for the person's consent, or for more photos.

ALTER TABLE drafts ADD COLUMN agreed_at REAL;
UPDATE drafts SET agreed_at = consent_at;
ALTER TABLE drafts DROP COLUMN consent_at;
-- When the person said that these photos may be used; NULL while they did not.
ALTER TABLE drafts RENAME COLUMN agreed_at TO consent_at;
-- JSON: name, address and size of the photos of a message that the form was opened on.
ALTER TABLE drafts ADD COLUMN attached TEXT NOT NULL DEFAULT '[]';
-- JSON: names of the files in drafts/<id>, kept as they were sent where there are no crops yet.
ALTER TABLE drafts ADD COLUMN uploads TEXT NOT NULL DEFAULT '[]';
