"""From uploaded photos to a draft that the person looks at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

from bot.services.access import Access
from bot.services.imagining import MEMBER, Asker
from bot.services.intake import Intake, Upload
from bot.services.refusal import Notice, Refusal, refuse_when_full
from bot.services.wish import Wish, check_options, check_wish, with_default
from data.database import Database
from data.drafts import Attached, Crop, Draft, Drafts
from data.files import FileStore
from data.jobs import Origin
from data.settings import Settings
from inference.bases import Base
from trainer.names import is_common_word
from trainer.spec import MAX_PHOTOS, MIN_PHOTOS
from trainer.subjects import kind_of

_PASSING = ("too_many_jobs", "quota_trainings", "queue_closed")
"""What keeps a person from starting now, but not from preparing."""


class Drafting:
    """Takes photos and keeps them as drafts, until `TrainingService.start`."""

    def __init__(
        self,
        db: Database,
        files: FileStore,
        settings: Settings,
        access: Access,
        intake: Intake,
        *,
        base: str,
    ) -> None:
        self._db = db
        self._files = files
        self._settings = settings
        self._access = access
        self._intake = intake
        self._drafts = Drafts(db)
        self._base = base

    async def ask(
        self,
        wish: Wish,
        attached: Sequence[Attached] = (),
        *,
        asker: Asker = MEMBER,
        **origin: Unpack[Origin],
    ) -> Draft:
        """Keep what a form needs until it is sent.

        Whoever may not train, or not like that, hears it before they choose photos.

        Raises Refusal: too_many_photos, and as `check_options` and `Access.check` do.
        """
        await self._obstacles(asker, origin)
        settings = await self._settings.get(origin["guild_id"])
        _check_count(attached)
        check_options(wish, settings, self._base, age_restricted=False)
        async with self._db.transaction() as tx:
            return await self._drafts.create(wish=wish.model_dump_json(), attached=attached, tx=tx, **origin)

    async def draft(
        self,
        uploads: Sequence[Upload],
        wish: Wish,
        *,
        consent: bool,
        form: Draft | None = None,
        asker: Asker = MEMBER,
        **origin: Unpack[Origin],
    ) -> Draft:
        """Fetch, check and crop the photos and keep them until `start`, in the place of an earlier draft.

        `form` is what the form carried that brought them; photos that it kept come first. While something is
        missing that the person can add, the draft has no crops but the photos as they were sent, and its
        first notice says what: no_consent, too_few_photos, or what else `check_wish` refuses. What they only
        have to wait for before they start is a notice, too: too_many_jobs, quota_trainings, queue_closed.

        Raises Refusal: draft_gone, disk_full, too_many_photos, word_never, and as `Access.check` does.
        """
        settings = await self._settings.get(origin["guild_id"])
        obstacles = await self._obstacles(asker, origin)
        photos = [*self._kept(form), *uploads] if form is not None else uploads
        _check_count(photos)
        with refuse_when_full():
            try:
                # Samples are shown in the samples channel, whichever channel this is asked in.
                base = await asyncio.to_thread(check_wish, wish, settings, self._base, age_restricted=False)
            except Refusal as refusal:
                if refusal.code == "word_never":  # nobody's photos are fetched, or kept, for that
                    raise
                missing = Notice(refusal.code, refusal.params)
            else:
                if consent:
                    return await self._read(photos, wish, base, obstacles, form, origin)
                missing = Notice("no_consent")
            # Nobody looks at photos before the person agrees.
            async with self._intake.receive(photos, user_id=origin["user_id"]) as sent:
                return await self._adopt_draft(
                    sent.folder,
                    wish,
                    form,
                    origin,
                    uploads=sent.names,
                    notices=[missing, *obstacles, *sent.notices],
                    consent=consent,
                )

    async def agree(self, draft_id: int, user_id: int, asker: Asker = MEMBER) -> Draft:
        """The person may use the photos of a draft that were not looked at so far. Raises as `draft` does."""
        draft = await self._unread(draft_id, user_id)
        wish = Wish.model_validate_json(draft.wish)
        return await self.draft((), wish, consent=True, form=draft, asker=asker, **draft.origin)

    async def retry(self, draft_id: int, user_id: int, asker: Asker = MEMBER) -> Draft:
        """Try a draft once more as it is. Raises as `draft` does."""
        draft = await self._unread(draft_id, user_id)
        wish, consent = Wish.model_validate_json(draft.wish), draft.consent_at is not None
        return await self.draft((), wish, consent=consent, form=draft, asker=asker, **draft.origin)

    async def use_default(self, draft_id: int, user_id: int, asker: Asker = MEMBER) -> Draft:
        """Try a draft once more, without the option that was not right. Raises as `draft` does."""
        draft = await self._unread(draft_id, user_id)
        wish = with_default(Wish.model_validate_json(draft.wish), draft.notices[0][0])
        consent = draft.consent_at is not None
        return await self.draft((), wish, consent=consent, form=draft, asker=asker, **draft.origin)

    async def of(self, draft_id: int, user_id: int) -> Draft:
        """A person's own draft. Raises Refusal(draft_gone), whether it is nobody's or somebody else's."""
        draft = await self._drafts.get(draft_id)
        if draft is None or draft.user_id != user_id:
            raise Refusal("draft_gone")
        return draft

    async def use(self, draft_id: int, user_id: int, places: Sequence[int]) -> Draft:
        """Use these crops and leave out the others; of one photo's faces the newly chosen one wins.

        Raises Refusal(draft_gone).
        """
        draft = await self.of(draft_id, user_id)
        if not draft.crops:
            raise Refusal("draft_gone")
        chosen: dict[int, int] = {}
        for place in sorted(places, key=lambda place: place not in draft.used):
            if 0 <= place < len(draft.crops):
                chosen[draft.crops[place].photo] = place
        return await self._drafts.use(draft, list(chosen.values()))

    async def discard(self, draft_id: int, user_id: int) -> None:
        """Forget a draft and its photos. Raises Refusal(draft_gone)."""
        draft = await self.of(draft_id, user_id)
        await self._drafts.delete(draft.id)
        await asyncio.to_thread(self._files.discard, self._files.draft(draft.id))

    def crop_files(self, draft: Draft) -> list[Path]:
        """The pictures of a draft's crops, in their order."""
        return [self._files.draft(draft.id) / f"{place}.png" for place in range(len(draft.crops))]

    async def _unread(self, draft_id: int, user_id: int) -> Draft:
        """A person's own draft that something is missing for. Raises Refusal(draft_gone)."""
        draft = await self.of(draft_id, user_id)
        if draft.crops or not draft.notices:  # a sheet, or a form that is still open
            raise Refusal("draft_gone")
        return draft

    def _kept(self, draft: Draft) -> list[Upload]:
        """The photos of a draft that are kept as they were sent."""
        folder = self._files.draft(draft.id)
        return [
            Upload(name, partial(_read_kept, folder / str(place))) for place, name in enumerate(draft.uploads)
        ]

    async def _read(
        self,
        photos: Sequence[Upload],
        wish: Wish,
        base: Base,
        obstacles: Sequence[Notice],
        form: Draft | None,
        origin: Origin,
    ) -> Draft:
        reading = self._intake.take(
            photos, size=base.resolution, class_name=wish.class_name, user_id=origin["user_id"]
        )
        async with reading as taken:
            if taken.photos >= MIN_PHOTOS:
                notices = [*obstacles, *taken.notices, *await self._advice(taken.crops, wish, base)]
                return await self._adopt_draft(
                    taken.folder, wish, form, origin, crops=taken.crops, notices=notices
                )
            too_few = Notice("too_few_photos", {"usable": taken.clear, "minimum": MIN_PHOTOS, "rejected": ()})
            return await self._adopt_draft(
                taken.usable.folder,
                wish,
                form,
                origin,
                uploads=taken.usable.names,
                notices=[too_few, *obstacles, *taken.notices],
            )

    async def _advice(self, crops: Sequence[Crop], wish: Wish, base: Base) -> list[Notice]:
        """What is only unwise."""
        advice = []
        # The mini model's people are drawn, and its photos with them: no detector knows such faces.
        if kind_of(wish.class_name) and base.preset != "mini":
            without = [crop.label for crop in crops if not crop.found]
            if without:
                advice.append(Notice("no_face", {"photos": ", ".join(without)}))
        if await asyncio.to_thread(is_common_word, wish.name, Path(base.source) / "tokenizer"):
            advice.append(Notice("common_word", {"name": wish.name}))
        return advice

    async def _obstacles(self, asker: Asker, origin: Origin) -> list[Notice]:
        """What a person has to wait for before they can start. Raises Refusal where they may not train."""
        try:
            await self._access.check(
                "train",
                user_id=origin["user_id"],
                guild_id=origin["guild_id"],
                role_ids=asker.role_ids,
                manager=asker.manager,
            )
        except Refusal as refusal:
            if refusal.code not in _PASSING:
                raise
            return [Notice(refusal.code, refusal.params)]
        return []

    async def _adopt_draft(
        self,
        folder: Path,
        wish: Wish,
        form: Draft | None,
        origin: Origin,
        *,
        notices: Sequence[Notice],
        crops: Sequence[Crop] = (),
        uploads: Sequence[str] = (),
        consent: bool = True,
    ) -> Draft:
        """Row and folder appear together; what an earlier draft leaves is removed after that."""
        async with self._db.transaction() as tx:
            of_form = form.id if form is not None else None
            earlier = await self._drafts.clear(origin["user_id"], origin["guild_id"], of_form, tx)
            if of_form is not None and of_form not in earlier:  # another press took it over meanwhile
                raise Refusal("draft_gone")
            draft = await self._drafts.create(
                wish=wish.model_dump_json(),
                crops=crops,
                uploads=uploads,
                notices=[(notice.code, notice.params) for notice in notices],
                consent_at=time.time() if consent else None,
                tx=tx,
                **origin,
            )
            target = self._files.draft(draft.id)
            await asyncio.to_thread(self._files.remove, target)
            await asyncio.to_thread(self._files.adopt, folder, target)
        for gone in earlier:
            await asyncio.to_thread(self._files.discard, self._files.draft(gone))
        return draft


def _check_count(photos: Sequence[object]) -> None:
    if len(photos) > MAX_PHOTOS:
        raise Refusal("too_many_photos", limit=MAX_PHOTOS)


async def _read_kept(file: Path) -> bytes:
    try:
        return await asyncio.to_thread(file.read_bytes)
    except FileNotFoundError as error:  # another press took the draft over meanwhile
        raise Refusal("draft_gone") from error
