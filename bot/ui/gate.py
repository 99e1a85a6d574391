"""What every button, menu and form passes before it acts: it is known, and its rule lets the person do it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bot.services.refusal import Refusal
from bot.ui.replies import report
from data.ids import LARGEST

if TYPE_CHECKING:
    import discord

    from bot.client import LikenessBot

Act = TypeVar("Act", bound=Callable[..., Awaitable[None]])
T = TypeVar("T")

Rule = Callable[["discord.Interaction[LikenessBot]", int], Awaitable[object]]
"""Raises Refusal unless this person may do this, here, from this message, now, to the row of that id."""


@dataclass(frozen=True, slots=True)
class Guarded(Generic[Act]):
    """What a verb does, and who may have it done."""

    rule: Rule
    act: Act


class Registry(Generic[Act]):
    """Verbs by their names, each with its rule; a name that is not here is refused as `unknown`."""

    def __init__(self, unknown: str) -> None:
        self._unknown = unknown
        self._verbs: dict[str, Guarded[Act]] = {}

    def register(self, *names: str, rule: Rule) -> Callable[[Act], Act]:
        """Have `act` called for these names, once `rule` lets the person through."""

        def remember(act: Act) -> Act:
            self._verbs.update(dict.fromkeys(names, Guarded(rule, act)))
            return act

        return remember

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._verbs)

    async def call(self, name: str, interaction: discord.Interaction[Any], target: int, *said: Any) -> None:
        """Ask the rule about the row `target`, then act; whatever goes wrong is told to the person."""
        try:
            verb = self._verbs.get(name)
            if verb is None or target > LARGEST:
                raise Refusal(self._unknown)
            await verb.rule(interaction, target)
            await verb.act(interaction, *said)
        except Exception as error:
            # discord.py only logs what a dynamic item raises; the person deserves a sentence.
            await report(interaction, error)


def nth(choices: Sequence[T], place: int) -> T:
    """What a button's number stands for. Raises Refusal(old_button) where this version has no such place."""
    if not 0 <= place < len(choices):
        raise Refusal("old_button")
    return choices[place]


def only(choices: Sequence[T]) -> T:
    """What was chosen in a menu of one. Raises Refusal(old_button) where it was sent without anything."""
    return nth(choices, 0)


def one_of(choices: Collection[T], chosen: T) -> T:
    """What was chosen in a menu. Raises Refusal(old_button) where this version offers no such thing."""
    if chosen not in choices:
        raise Refusal("old_button")
    return chosen
