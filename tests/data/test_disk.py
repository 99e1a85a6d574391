"""Files are whole or not there, and a full disk is recognised however it is said."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from data.disk import replacing, replacing_folder
from data.errors import is_disk_full


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "state"
    with replacing(file) as stream:
        stream.write(b"new")
        assert not file.exists()
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_bytes(b"old")
    with pytest.raises(RuntimeError), replacing(file) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep/model"
    with replacing_folder(folder) as incoming:
        (incoming / "old").write_bytes(b"1")
    with pytest.raises(RuntimeError), replacing_folder(folder) as incoming:
        (incoming / "half").write_bytes(b"2")
        raise RuntimeError
    assert [file.name for file in folder.iterdir()] == ["old"]
    with replacing_folder(folder) as incoming:
        (incoming / "new").write_bytes(b"3")
        assert (folder / "old").exists()
    assert [file.name for file in folder.iterdir()] == ["new"]
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def wrapped(cause: BaseException) -> BaseException:
    """As torch.save does: an error of its own, raised while handling the system's."""
    try:
        try:
            raise cause
        except BaseException:
            raise RuntimeError("unexpected pos 64 vs 0")  # noqa: B904
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (wrapped(OSError(errno.ENOSPC, "No space left on device")), True),
        (Exception("I/O error: No space left on device (os error 28)"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (Exception("I/O error: File too large (os error 27)"), False),
    ],
)
def test_a_full_disk_is_recognised(error: BaseException, full: bool) -> None:
    assert is_disk_full(error) is full
