"""Shared prompts: who shows what in the gallery, and what others think of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bot.services.access import Access
from bot.services.draw_payload import DrawPayload
from bot.services.faces import Faces
from bot.services.imagining import Asker
from bot.services.refusal import Refusal
from bot.services.safety import check_prompt, checks_pictures
from data.gallery import Gallery, Order, Shared
from data.jobs import Job, JobKind, Jobs, JobState
from data.pictures import Picture, Pictures
from data.settings import Settings
from trainer.spec import TrainSpec

PAGE = 5
"""Entries of a page: a message holds 40 components, and an entry takes up to six."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A shared prompt with its picture, None where that is gone."""

    shared: Shared
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and whether more follows."""

    entries: tuple[Entry, ...]
    number: int
    """From 0."""
    more: bool


class GalleryService:
    """Free of Discord: it says which messages there are, the face posts them."""

    def __init__(
        self,
        gallery: Gallery,
        jobs: Jobs,
        pictures: Pictures,
        settings: Settings,
        access: Access,
        faces: Faces,
    ) -> None:
        self._gallery = gallery
        self._jobs = jobs
        self._pictures = pictures
        self._settings = settings
        self._access = access
        self._faces = faces

    async def share(
        self, job_id: int, index: int, user_id: int, asker: Asker, *, age_restricted: bool
    ) -> Shared:
        """The entry of a person's own picture: a new one, or the one that it has.

        `age_restricted` is the channel that will show it: the picture may come from one with other rules.

        Raises Refusal: no_such_job, not_yours, picture_gone, picture_expired, share_no_face,
        share_unchecked, and as `Access.check` and `check_prompt` do.
        """
        job = await self._jobs.get(job_id)
        if job is None or job.kind is not JobKind.draw:
            raise Refusal("no_such_job")
        if job.user_id != user_id:
            raise Refusal("not_yours")
        await self._access.check(
            "share",
            user_id=user_id,
            guild_id=job.guild_id,
            role_ids=asker.role_ids,
            manager=asker.manager,
        )
        picture = next((one for one in await self._pictures.of_job(job_id) if one.idx == index), None)
        if picture is None or job.state is not JobState.done:
            raise Refusal(
                "picture_expired" if await self._pictures.expired(job_id, index) else "picture_gone"
            )
        try:
            await self._faces.check(job, user_id)
        except Refusal as refusal:  # whose model drew it has removed it since, or keeps it private again
            raise Refusal("share_no_face") from refusal
        settings, asked = await self._settings.get(job.guild_id), DrawPayload.of(job)
        check_prompt(settings, picture.prompt, age_restricted=age_restricted)
        if checks_pictures(settings, age_restricted=age_restricted) and not asked.check_safety:
            raise Refusal("share_unchecked")
        return await self._add(job, picture, asked.subject)

    async def share_samples(self, job: Job, pictures: list[Picture]) -> Shared:
        """The entry of a training's samples, which stand in the gallery with one card."""
        concept = TrainSpec.model_validate_json(job.payload).concepts[0]
        return await self._add(job, pictures[0], f"{concept.name} {concept.class_name}")

    async def posted(self, shared_id: int, channel_id: int, message_id: int) -> bool:
        """Remember where an entry's card is. False when it is not shared any more."""
        return await self._gallery.posted(shared_id, channel_id, message_id)

    async def get(self, shared_id: int, guild_id: int) -> Shared:
        """An entry of a guild. Raises Refusal(no_such_card)."""
        shared = await self._gallery.get(shared_id)
        if shared is None or shared.guild_id != guild_id:
            raise Refusal("no_such_card")
        return shared

    async def of_job(self, job_id: int) -> list[Shared]:
        """The entries of a job's pictures."""
        return await self._gallery.of_job(job_id)

    async def vote(self, shared_id: int, user_id: int, guild_id: int, works: bool) -> Shared:
        """Count a vote in place of an earlier one; the same once more takes it back.

        Raises Refusal(no_such_card).
        """
        await self.get(shared_id, guild_id)
        voted = await self._gallery.vote(shared_id, user_id, works)
        if voted is None:
            raise Refusal("no_such_card")
        return voted

    async def channels(self, guild_id: int) -> list[int]:
        """Where a guild's entries are posted."""
        return await self._gallery.channels(guild_id)

    async def page(
        self,
        guild_id: int,
        order: Order,
        number: int,
        channels: Collection[int],
        *,
        user_id: int | None = None,
        words: str = "",
    ) -> Page:
        """Page `number` (from 0) of a list of what stands in `channels`, those that the person may read.

        `mine` is of `user_id`, `search` has all `words`.
        """
        found = await self._gallery.page(
            guild_id,
            order,
            limit=PAGE + 1,
            offset=number * PAGE,
            user_id=user_id if order is Order.mine else None,
            words=words if order is Order.search else "",
            channels=channels,
        )
        return Page(await self.entries(found[:PAGE]), number, len(found) > PAGE)

    async def entries(self, shared: list[Shared]) -> tuple[Entry, ...]:
        """Entries with their pictures."""
        return tuple([Entry(one, await self._shown(one)) for one in shared])

    async def search(self, guild_id: int, user_id: int, words: str) -> int:
        """A number by which later presses find these words again. Raises Refusal(search_empty)."""
        said = " ".join(words.split()).casefold()
        if not said:
            raise Refusal("search_empty")
        return await self._gallery.search(guild_id, user_id, said[:100])

    async def searched(self, search_id: int, guild_id: int, user_id: int) -> str:
        """The words of a person's own search. Raises Refusal(search_gone), whoever's it was."""
        words = await self._gallery.searched(search_id, guild_id, user_id)
        if words is None:
            raise Refusal("search_gone")
        return words

    async def _add(self, job: Job, picture: Picture, subject: str) -> Shared:
        return await self._gallery.share(
            guild_id=job.guild_id,
            user_id=job.user_id,
            job_id=job.id,
            picture_id=picture.id,
            prompt=picture.prompt,
            subject=subject,
        )

    async def _shown(self, shared: Shared) -> Picture | None:
        picture = await self._pictures.get(shared.picture_id)
        return picture if picture is not None and picture.deleted_at is None else None
