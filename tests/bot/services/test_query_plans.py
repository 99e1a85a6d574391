"""What is asked at every turn doesn't become slower with every job that ever was."""

from __future__ import annotations

from typing import Any

import pytest

from bot.services.privacy import Privacy
from data.database import Database
from data.jobs import JobKind, Lane
from tests.bot.services.house import ANN, GUILD, House


async def test_no_query_walks_through_all_jobs_or_pictures(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, list[Any]] = {}
    rows = Database.rows

    async def noting(self: Database, sql: str, parameters: Any = (), within: Any = None) -> Any:
        asked[sql] = list(parameters)
        return await rows(self, sql, parameters, within)

    job = await house.imagine()
    monkeypatch.setattr(Database, "rows", noting)
    for kind in JobKind:
        await house.estimates.waits(kind)
        await house.estimates.seconds_per_step(kind, "mini")
        await house.jobs.next_fair(kind, Lane.gpu)
        await house.jobs.running(kind)
        await house.jobs.active(ANN, kind)
    await house.jobs.place(job.id)
    await house.jobs.of_user(ANN)
    await house.jobs.unannounced()
    await house.settings.update(GUILD, daily_pictures=100)
    await house.access().check("imagine", user_id=ANN, guild_id=GUILD, role_ids=())
    await house.pictures.before(1.0, (0.0, 0), 10)
    await house.pictures.artists(GUILD)
    await house.pictures.beyond(10, ANN, GUILD)
    await house.pictures.lately_expired(0.0)
    await Privacy(house.db, house.files, None, None).summary(ANN)  # type: ignore[arg-type]

    plans = {}
    for sql, parameters in asked.items():
        if not sql.startswith(("PRAGMA", "EXPLAIN")):
            explained = await rows(house.db, f"EXPLAIN QUERY PLAN {sql}", parameters)
            plans[sql] = " / ".join(row["detail"] for row in explained)
    walks = [sql for sql, plan in plans.items() if "SCAN jobs" in plan or "SCAN pictures" in plan]
    assert walks == []
    used = " ".join(plans.values())
    for index in ("jobs_measured (kind=? AND", "jobs_unannounced", "jobs_open", "jobs_by_time (user_id=?"):
        assert index in used, f"{index}: {plans}"
