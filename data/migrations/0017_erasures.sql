-- An erasing that is gone on with takes nothing that was made since it was asked for. Of those that are open
-- now that is not known, and nothing was made while the program was updated.
ALTER TABLE erasures RENAME TO earlier;
CREATE TABLE erasures (
    user_id INTEGER PRIMARY KEY,
    asked_at REAL NOT NULL
) STRICT;
INSERT INTO erasures
    SELECT scope_id, (julianday('now') - 2440587.5) * 86400.0 FROM earlier WHERE scope = 'user';
-- A server's goes on as long as it stands in `departures`.
DROP TABLE earlier;
