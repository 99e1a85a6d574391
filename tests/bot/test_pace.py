"""The order of calls in a channel, and their pace over all channels."""

from __future__ import annotations

import asyncio

from bot.pace import WIDTH, Lane, Pace, Rank, Turn


class Crowd:
    """Calls to one channel, each of which goes on until it is told to end."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self.lane = Lane()
        self.begun: list[str] = []
        self._group = group
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def add(self, name: str, rank: Rank) -> Turn:
        turn = Turn(rank)
        self._ends[name] = asyncio.Event()
        self._tasks[name] = self._group.create_task(self._call(name, turn))
        await asyncio.sleep(0)
        return turn

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self._tasks[name]
        await asyncio.sleep(0)

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.wait([self._tasks[name]])
        await asyncio.sleep(0)

    async def _call(self, name: str, turn: Turn) -> None:
        async with self.lane.turn(turn):
            self.begun.append(name)
            await self._ends[name].wait()


async def test_a_result_passes_the_first_cards_that_wait_and_they_keep_their_order() -> None:
    async with asyncio.TaskGroup() as group:
        crowd = Crowd(group)
        for name in ("one", "two", "three", "four"):
            await crowd.add(name, Rank.first)
        await crowd.add("result", Rank.end)
        assert crowd.begun == ["one", "two"] and WIDTH == 2

        await crowd.end("one")
        await crowd.end("two")
        assert crowd.begun[2:] == ["result", "three"]
        await crowd.end("result")
        assert crowd.begun[-1] == "four"
        await crowd.end("three")
        await crowd.end("four")
        assert crowd.lane.idle


async def test_a_card_for_whose_post_an_end_waits_is_posted_first() -> None:
    async with asyncio.TaskGroup() as group:
        crowd = Crowd(group)
        for name in ("one", "two", "three"):
            await crowd.add(name, Rank.first)
        wanted = await crowd.add("wanted", Rank.first)
        wanted.hurry(Rank.end)
        await crowd.end("one")
        assert crowd.begun[-1] == "wanted"
        for name in ("two", "wanted", "three"):
            await crowd.end(name)


async def test_who_gives_up_waiting_holds_up_nobody() -> None:
    async with asyncio.TaskGroup() as group:
        crowd = Crowd(group)
        for name in ("one", "two", "three", "four"):
            await crowd.add(name, Rank.first)
        await crowd.cancel("three")
        await crowd.cancel("one")
        assert crowd.begun[-1] == "four"
        await crowd.end("two")
        await crowd.end("four")
        assert crowd.lane.idle


async def test_what_can_wait_comes_once_nothing_goes_on_and_only_its_newest() -> None:
    called: list[str] = []
    async with asyncio.TaskGroup() as group:
        crowd = Crowd(group)
        for name in ("one", "two", "three"):
            await crowd.add(name, Rank.first)
        for key, name in (("a", "old"), ("b", "other"), ("a", "new")):
            crowd.lane.when_idle(key, lambda name=name: called.append(name))  # type: ignore[misc]
        for name in ("one", "two"):
            await crowd.end(name)
        assert called == []
        await crowd.end("three")
        assert called == ["new", "other"], "the second too, though the first had nothing to call any more"
        await crowd.add("four", Rank.first)
        await crowd.end("four")
        assert called == ["new", "other"]


async def test_no_second_has_more_calls_than_discord_allows_a_bot() -> None:
    now, went = 100.0, []

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    pace = Pace(clock=lambda: now, sleep=sleep)
    for number in range(200):
        if number == 120:
            now += 30  # a quiet time earns no more than the burst
        await pace.wait()
        went.append(now)
    assert max(sum(start <= at < start + 1 for at in went) for start in went) <= 49
    assert went[119] - went[0] < 3, "it does not dawdle either"
