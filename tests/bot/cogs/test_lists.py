"""`/models`, `/queue`, `/cancel` and `/help`: private answers about what is there."""

from __future__ import annotations

from bot.app import App
from bot.sandbox import World
from data.jobs import JobKind, Origin
from tests.bot.face import card_saying, eventually, text_of, train
from tests.fakes import ScriptedGpu


async def test_models_lists_mine_and_deletes_on_the_second_press(here: World, app: App) -> None:
    empty = await here.visitor.slash(here.studio, "models")
    assert "You have none on this server yet" in text_of(empty.response)
    await train(here)
    await card_saying(here, "Meet abraza")
    listed = await here.visitor.slash(here.studio, "models")
    assert listed.ephemeral
    assert "abraza person" in text_of(listed.response)

    asked = await here.visitor.click(listed.response, label="Delete")
    (model,) = await app.models.of_user(here.visitor.id, here.guild.id)
    assert "Delete **abraza** for good?" in text_of(asked.response)
    await here.visitor.click(asked.response, label="Delete for good")
    assert await app.models.of_user(here.visitor.id, here.guild.id) == []
    assert not model.path.exists()


async def test_many_models_still_fit_on_the_card(here: World, app: App) -> None:
    origin = Origin(user_id=1, guild_id=1, channel_id=1, locale="en")
    for number in range(12):
        job = await app.jobs.create(JobKind.train, payload="{}", **origin)
        await app.jobs.cancel(job.id)
        await app.models.create(
            owner_id=here.visitor.id,
            guild_id=here.guild.id,
            name=f"abraza{number}",
            class_name="person",
            base="mini",
            photos=6,
            steps=300,
            job_id=job.id,
        )

    said = text_of((await here.visitor.slash(here.studio, "models")).response)

    assert "**abraza11**" in said
    assert "3" in said.splitlines()[-1]


async def test_the_queue_keeps_other_servers_people_private(here: World, app: App, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=1)
    elsewhere = Origin(user_id=4242, guild_id=99, channel_id=98, locale="en")
    await app.imagining.submit("their secret", **elsewhere)

    said = text_of((await here.visitor.slash(here.studio, "queue")).response)

    assert "Drawing 2 for another server" in said
    assert "4242" not in said and "secret" not in said


async def test_the_queue_shows_places_but_not_other_peoples_prompts(here: World, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    friend = here.guild.add_member(here.env.create_user("friend"))
    await friend.slash(here.studio, "imagine", prompt="my secret garden", seed=1)
    await card_saying(here, "Step 25 of 50")
    await here.visitor.slash(here.studio, "imagine", prompt="a cat", seed=2)

    said = text_of((await here.visitor.slash(here.studio, "queue")).response)
    assert f"Drawing 1 for <@{friend.id}> · 50%" in said
    assert "`1` **Drawing 2: a cat**" in said
    assert "secret" not in said


async def test_cancel_stops_the_only_job_or_asks_which(here: World, app: App, gpu: ScriptedGpu) -> None:
    nothing = await here.visitor.slash(here.studio, "cancel")
    assert "Nothing of yours" in text_of(nothing.response)
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    await here.visitor.slash(here.studio, "imagine", prompt="a dog")

    asked = await here.visitor.slash(here.studio, "cancel")
    assert "Drawing 1: a cat" in text_of(asked.response)
    await here.visitor.click(asked.response, custom_id="cancel:2:0")
    (choice,) = await here.visitor.autocomplete(here.studio, "cancel", "job", "cat")
    stopped = await here.visitor.slash(here.studio, "cancel", job=choice["value"])
    assert "Stopped. Drawing 1: a cat" in text_of(stopped.response)
    late = await here.visitor.slash(here.studio, "cancel", job=1)
    assert "had ended already" in text_of(late.response)
    assert await eventually(lambda: _all_ended(app, here))


async def test_cancel_knows_nothing_of_other_jobs(here: World, gpu: ScriptedGpu) -> None:
    gpu.gate.clear()
    await here.visitor.slash(here.studio, "imagine", prompt="a cat")
    stranger = here.guild.add_member(here.env.create_user("stranger"))

    assert "belongs to somebody else" in text_of(
        (await stranger.slash(here.studio, "cancel", job=1)).response
    )
    assert "not here any more" in text_of((await stranger.slash(here.studio, "cancel", job=99)).response)


async def test_help_names_every_command(here: World, app: App) -> None:
    said = text_of((await here.visitor.slash(here.studio, "help")).response)

    assert [command.name for command in app.bot.tree.get_commands() if f"`/{command.name}" not in said] == [
        "help"
    ]


async def _all_ended(app: App, here: World) -> bool:
    return all(job.state.ended for job in await app.jobs.of_user(here.visitor.id))
