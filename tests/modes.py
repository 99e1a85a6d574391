"""Who may read what lies on the disk."""

from __future__ import annotations

from pathlib import Path


def open_to_others(home: Path) -> list[Path]:
    """The folder, and whatever in it somebody else on this machine may enter or read."""
    return [path for path in (home, *home.rglob("*")) if path.lstat().st_mode & 0o077]
