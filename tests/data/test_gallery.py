"""Shared prompts and their votes, as the schema keeps them."""

from pathlib import Path

import pytest

from data.database import Database
from data.files import FileStore
from data.gallery import Gallery, Order, Shared
from data.jobs import JobKind, Jobs
from data.personal import Personal
from data.pictures import Pictures

ANN, BOB, GUILD = 1, 2, 7


@pytest.fixture
async def shared(db: Database, files: FileStore) -> Shared:
    job = await Jobs(db).create(
        JobKind.draw, user_id=ANN, guild_id=GUILD, channel_id=8, payload="{}", locale="en"
    )
    picture = await Pictures(db, files).add(
        job_id=job.id, idx=0, path=files.home / Path("0.png"), prompt="a cat", seed=1, width=64, height=64
    )
    values = {"guild_id": GUILD, "user_id": ANN, "job_id": job.id, "picture_id": picture.id}
    first = await Gallery(db).share(**values, prompt="a cat", subject="")
    assert await Gallery(db).share(**values, prompt="another", subject="") == first
    return first


async def counts(db: Database, shared: Shared) -> tuple[int, int]:
    found = await Gallery(db).get(shared.id)
    assert found is not None
    return found.works, found.fails


async def test_a_vote_is_one_a_person_changed_and_taken_back(db: Database, shared: Shared) -> None:
    gallery = Gallery(db)
    for user, works, expected in (
        (ANN, True, (1, 0)),
        (BOB, True, (2, 0)),
        (BOB, False, (1, 1)),
        (BOB, False, (1, 0)),
        (ANN, True, (0, 0)),
    ):
        voted = await gallery.vote(shared.id, user, works)
        assert voted is not None and (voted.works, voted.fails) == expected
    assert await gallery.vote(999, ANN, True) is None


async def test_votes_of_a_person_who_is_erased_count_no_more(db: Database, shared: Shared) -> None:
    await Gallery(db).vote(shared.id, BOB, True)
    await Gallery(db).vote(shared.id, ANN, False)
    async with db.transaction() as tx:
        await Personal(db).erase("user", BOB, tx)
    assert await counts(db, shared) == (0, 1)
    async with db.transaction() as tx:
        await Personal(db).erase("user", ANN, tx)
    assert await Gallery(db).get(shared.id) is None
    assert await db.rows("SELECT * FROM votes") == []


async def test_few_votes_count_for_little(db: Database, shared: Shared) -> None:
    scores = []
    for works, fails in ((0, 1), (0, 0), (1, 0), (8, 2), (10, 0), (100, 10)):
        async with db.transaction() as tx:
            await tx.execute("UPDATE shared SET works = ?, fails = ?", (works, fails))
        found = await Gallery(db).get(shared.id)
        assert found is not None
        scores.append(found.score)
    assert scores == sorted(scores) and len(set(scores)) == len(scores)


async def test_only_posted_cards_are_listed_and_words_are_taken_as_they_are(
    db: Database, shared: Shared
) -> None:
    gallery = Gallery(db)
    assert await gallery.page(GUILD, Order.new, limit=5) == []
    await gallery.posted(shared.id, 8, 9)
    assert [one.id for one in await gallery.page(GUILD, Order.new, limit=5)] == [shared.id]
    assert await gallery.page(GUILD + 1, Order.new, limit=5) == []
    for words, found in (("CAT a", 1), ("c_t", 0), ("%", 0), ("cat dog", 0)):
        assert len(await gallery.page(GUILD, Order.search, limit=5, words=words)) == found


async def test_a_search_keeps_its_number(db: Database) -> None:
    gallery = Gallery(db)
    number = await gallery.search(GUILD, ANN, "cat")
    assert await gallery.search(GUILD, ANN, "cat") == number
    assert await gallery.searched(number, GUILD, ANN) == "cat"
    assert await gallery.searched(number, GUILD + 1, ANN) is None
    assert await gallery.search(GUILD, BOB, "cat") != number
    assert await gallery.searched(number, GUILD, BOB) is None


async def test_old_searches_are_forgotten_but_never_the_one_that_is_asked(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.gallery._SEARCHES", 2)
    gallery = Gallery(db)
    numbers = [await gallery.search(GUILD, ANN, word) for word in ("cat", "dog")]
    elsewhere = await gallery.search(GUILD + 1, ANN, "cat")
    numbers.append(await gallery.search(GUILD, ANN, "fox"))
    found = [await gallery.searched(number, GUILD, ANN) for number in numbers]
    assert found == [None, "dog", "fox"]
    assert await gallery.searched(elsewhere, GUILD + 1, ANN) == "cat"
    monkeypatch.setattr("data.gallery._SEARCHES", 1)
    assert await gallery.searched(await gallery.search(GUILD, ANN, "dog"), GUILD, ANN) == "dog"
