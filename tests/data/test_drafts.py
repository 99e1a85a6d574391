import shutil
from pathlib import Path

from data import database
from data.database import Database
from data.drafts import Attached, Crop, Drafts
from data.jobs import Origin

FORMER = 11
"""The last version whose drafts all had crops and consent."""

ORIGIN = Origin(user_id=1, guild_id=7, channel_id=8, locale="en")


async def test_a_draft_of_an_earlier_version_is_still_there_and_its_number_is_never_given_again(
    tmp_path: Path,
) -> None:
    scripts = sorted((Path(database.__file__).parent / "migrations").iterdir())
    (tmp_path / "former").mkdir()
    for script in scripts:
        if int(script.name[:4]) <= FORMER:
            shutil.copy(script, tmp_path / "former")
    db = await Database.open(tmp_path / "db", tmp_path / "former")
    async with db.transaction() as tx:
        for _ in range(2):
            await tx.execute(
                "INSERT INTO drafts (user_id, guild_id, channel_id, locale, wish, crops, notices, consent_at,"
                """ created_at) VALUES (1, 7, 8, 'en', '{}', '[{"photo": 1}]', '[]', 5.5, 6.5)"""
            )
        await tx.execute("DELETE FROM drafts WHERE id = 2")
    await db.close()

    db = await Database.open(tmp_path / "db")
    drafts = Drafts(db)
    kept = await drafts.get(1)
    assert kept is not None and (kept.consent_at, kept.created_at, kept.crops) == (5.5, 6.5, (Crop(1),))
    assert kept.uploads == kept.attached == ()
    async with db.transaction() as tx:
        assert (await drafts.create(wish="{}", tx=tx, **ORIGIN)).id == 3
    await db.close()


async def test_a_form_that_is_sent_takes_its_own_draft_and_the_photos_along_but_no_other_form(
    tmp_path: Path,
) -> None:
    db = await Database.open(tmp_path / "db")
    drafts, photo = Drafts(db), Attached("a.png", "http://127.0.0.1/a.png", 5)
    async with db.transaction() as tx:
        opened = [await drafts.create(wish="{}", attached=[photo], tx=tx, **ORIGIN) for _ in range(2)]
        unread = await drafts.create(wish="{}", uploads=["a.png"], tx=tx, **ORIGIN)
        elsewhere = await drafts.create(wish="{}", uploads=["a.png"], tx=tx, **ORIGIN | {"guild_id": 9})
        assert sorted(await drafts.clear(1, 7, opened[0].id, tx)) == [opened[0].id, unread.id]
    left = [await drafts.get(one.id) for one in (opened[1], elsewhere)]
    assert left == [opened[1], elsewhere] and opened[1].attached == (photo,)
    await db.close()
