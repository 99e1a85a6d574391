"""What the tests of publishing do again and again."""

from __future__ import annotations

from pathlib import Path

from tests.hub import WRITE
from trainer.handover import Published
from trainer.publish import publish


class Run:
    """`publish` with everything filled in."""

    def __init__(self, model: Path, facts: Path) -> None:
        self.model, self.facts = model, facts
        self.stage = model.with_name("stage")
        self.events: list[object] = []
        self.single_file = False

    def __call__(self, repo: str = "abraza", token: str = WRITE, public: bool = False) -> Published:
        self.events.clear()
        return publish(
            self.model,
            repo,
            self.facts,
            token=token,
            public=public,
            single_file=self.single_file,
            stage=self.stage,
            emit=self.events.append,
        )
