-- A search is its person's own. Whose the earlier ones were is not known: their pages can't be turned any more.
ALTER TABLE searches RENAME TO earlier;
CREATE TABLE searches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guild_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    words TEXT NOT NULL,
    UNIQUE (guild_id, user_id, words)
) STRICT;
-- Their numbers, which old buttons name, are given to no other search.
INSERT INTO sqlite_sequence SELECT 'searches', seq FROM sqlite_sequence WHERE name = 'earlier';
DROP TABLE earlier;
