import pytest

from data.database import Database
from data.files import FileStore
from data.jobs import Job, JobKind, Jobs
from data.models import Model, Models
from data.pictures import Pictures
from data.settings import GuildSettings, RoleQuota, Settings

ANN, BOB, GUILD = 1, 2, 7


@pytest.fixture
async def job(db: Database) -> Job:
    return await Jobs(db).create(
        JobKind.train, user_id=ANN, guild_id=GUILD, channel_id=8, payload="{}", locale="en"
    )


async def make_model(models: Models, job_id: int, owner: int = ANN, name: str = "abraza") -> Model:
    return await models.create(
        owner_id=owner,
        guild_id=GUILD,
        name=name,
        class_name="person",
        base="mini",
        photos=6,
        steps=400,
        job_id=job_id,
    )


async def test_a_model_lies_in_the_file_store_and_has_a_trigger(
    db: Database, files: FileStore, job: Job
) -> None:
    models = Models(db, files)
    model = await make_model(models, job.id)
    assert model == await models.get(model.id)
    assert (model.path, model.trigger) == (files.model(model.id), "abraza person")


async def test_one_job_makes_one_model(db: Database, files: FileStore, job: Job) -> None:
    models = Models(db, files)
    await make_model(models, job.id)
    with pytest.raises(Exception, match="UNIQUE"):
        await make_model(models, job.id)
    assert len(await models.of_user(ANN, GUILD)) == 1


async def test_models_belong_to_a_person_in_a_guild(db: Database, files: FileStore) -> None:
    jobs, models = Jobs(db), Models(db, files)
    made = []
    for owner in (ANN, BOB, ANN):
        job = await jobs.create(
            JobKind.train, user_id=owner, guild_id=GUILD, channel_id=8, payload="{}", locale="en"
        )
        made.append(await make_model(models, job.id, owner))
    assert [model.id for model in await models.of_user(ANN, GUILD)] == [made[2].id, made[0].id]
    assert await models.latest_of(ANN, GUILD) == made[2]
    assert await models.latest_of(ANN, GUILD + 1) is None


async def test_a_deleted_model_leaves_its_job(db: Database, files: FileStore, job: Job) -> None:
    jobs, models = Jobs(db), Models(db, files)
    model = await make_model(models, job.id)
    async with db.transaction() as tx:
        await jobs.set_model(job.id, model.id, tx)
    assert await models.delete(model.id)
    assert not await models.delete(model.id)
    assert await models.get(model.id) is None
    left = await jobs.get(job.id)
    assert left is not None and left.model_id is None


async def test_pictures_of_a_job_are_replaced_by_index_and_marked_when_deleted(
    db: Database, files: FileStore, job: Job
) -> None:
    pictures = Pictures(db, files)

    async def add(idx: int, seed: int) -> int:
        path = files.pictures(job.id) / f"{idx}.png"
        picture = await pictures.add(
            job_id=job.id, idx=idx, path=path, prompt="photo", seed=seed, width=96, height=128
        )
        assert (picture.path, picture.seed, picture.deleted_at) == (path, seed, None)
        return picture.id

    ids = [await add(1, 11), await add(0, 10)]
    assert await add(1, 21) == ids[0], "drawing again after a crash makes no second picture"
    assert [(picture.idx, picture.seed) for picture in await pictures.of_job(job.id)] == [(0, 10), (1, 21)]
    assert await pictures.delete_job(job.id) == 2
    assert await pictures.delete_job(job.id) == 0
    assert await pictures.of_job(job.id) == []
    marked = await pictures.get(ids[0])
    assert marked is not None and marked.deleted_at is not None


async def test_a_guild_keeps_what_it_changed(db: Database) -> None:
    settings = Settings(db)
    assert await settings.get(GUILD) == GuildSettings()
    await settings.update(GUILD, samples_channel_id=2**60, train_enabled=False)
    await settings.update(GUILD, language="zh-CN", train_enabled=True)
    assert await settings.get(GUILD) == GuildSettings(samples_channel_id=2**60, language="zh-CN")
    assert await settings.get(GUILD + 1) == GuildSettings()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"max_steps": 0}, ValueError),
        ({"default_steps": 5000}, ValueError),
        ({"language": "tlh"}, ValueError),
        ({"default_draw_steps": 101}, ValueError),
        ({"backends": ()}, ValueError),
        ({"role_quotas": {1: RoleQuota(-1)}}, ValueError),
        ({"colour": "red"}, TypeError),
    ],
)
async def test_a_setting_that_makes_no_sense_is_refused_and_not_kept(
    db: Database, changes: dict[str, object], error: type[Exception]
) -> None:
    settings = Settings(db)
    with pytest.raises(error):
        await settings.update(GUILD, train_enabled=False, **changes)
    assert await settings.get(GUILD) == GuildSettings()


async def test_a_setting_of_another_version_is_passed_over(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute("INSERT INTO settings VALUES (?, 'from_the_future', '1')", (GUILD,))
    assert await Settings(db).get(GUILD) == GuildSettings()


async def test_a_model_is_renamed_shared_and_chosen(db: Database, files: FileStore) -> None:
    jobs, models = Jobs(db), Models(db, files)
    made = []
    for owner in (ANN, ANN, BOB):
        job = await jobs.create(
            JobKind.train, user_id=owner, guild_id=GUILD, channel_id=8, payload="{}", locale="en"
        )
        made.append(await make_model(models, job.id, owner))
    mine, newer, theirs = made
    assert await models.default_of(ANN, GUILD) == newer
    for chosen in (newer, mine):
        await models.make_default(chosen.id)
    found = await models.default_of(ANN, GUILD)
    assert found is not None and (found.id, found.is_default) == (mine.id, True)

    assert [model.id for model in await models.usable(ANN, GUILD)] == [newer.id, mine.id]
    await models.share(theirs.id, True)
    await models.rename(theirs.id, "Bob")
    usable = await models.usable(ANN, GUILD)
    assert [model.title for model in usable] == ["abraza", "abraza", "Bob"]
    assert usable[2].usable_by(ANN, GUILD) and not usable[2].usable_by(ANN, GUILD + 1)
    assert not mine.usable_by(BOB, GUILD)


async def test_the_uses_of_a_model_are_its_finished_drawings(
    db: Database, files: FileStore, job: Job
) -> None:
    jobs, models = Jobs(db), Models(db, files)
    model = await make_model(models, job.id)
    for finished in (True, False):
        drawing = await jobs.create(
            JobKind.draw,
            user_id=BOB,
            guild_id=GUILD,
            channel_id=8,
            payload="{}",
            locale="en",
            model_id=model.id,
        )
        await jobs.start(drawing.id)
        if finished:
            await jobs.finish(drawing.id)
    found = await models.get(model.id)
    assert found is not None and found.uses == 1


async def test_quotas_and_lists_come_back_as_they_were(db: Database) -> None:
    settings = Settings(db)
    quotas = {2**60: RoleQuota(1, None, 2)}
    await settings.update(GUILD, role_quotas=quotas, words=("clown",), train_roles=(5, 6), bases=("mini",))
    found = await settings.get(GUILD)
    assert (found.role_quotas, found.words, found.train_roles) == (quotas, ("clown",), (5, 6))
