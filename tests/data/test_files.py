import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from data.files import DatabaseMissing, FileStore, check_database


def test_adopting_twice_is_adopting_once(files: FileStore) -> None:
    source = files.incoming_job()
    (source / "file").write_text("content")
    files.adopt(source, files.job(1))
    files.adopt(source, files.job(1))
    assert (files.job(1) / "file").read_text() == "content"
    assert not source.exists()
    with pytest.raises(FileNotFoundError):
        files.adopt(source, files.job(2))


def test_sweeping_removes_only_what_is_half_written(files: FileStore) -> None:
    (files.incoming_job() / "photo.png").write_bytes(b"half")
    files.pictures(3).mkdir()
    (files.pictures(3) / "0.png.incoming").write_bytes(b"half")
    (files.pictures(3) / "1.png").write_bytes(b"whole")
    (files.home / "likeness.sqlite3.before-0002.incoming").write_bytes(b"half")
    (files.home / "downloads").mkdir()
    (files.home / "downloads/film.incoming").write_bytes(b"somebody's")
    files.job(4).mkdir()
    files.sweep()
    files.sweep_pictures(3)
    left = {path.relative_to(files.home).as_posix() for path in files.home.rglob("*") if path.is_file()}
    assert left == {"pictures/3/1.png", "downloads/film.incoming"}
    assert files.job(4).is_dir()


@pytest.mark.parametrize("database", [None, b""])
def test_full_folders_without_their_database_are_not_taken_over(
    tmp_path: Path, database: bytes | None
) -> None:
    (tmp_path / "pictures/2024").mkdir(parents=True)
    if database is not None:
        (tmp_path / "likeness.sqlite3").write_bytes(database)
    with pytest.raises(DatabaseMissing, match="files in pictures, but no database"):
        check_database(tmp_path)
    (tmp_path / "likeness.sqlite3").write_bytes(b"SQLite")
    check_database(tmp_path)


def test_a_new_home_needs_no_database(files: FileStore) -> None:
    check_database(files.home)


def test_stored_paths_survive_a_move_of_the_home(files: FileStore, tmp_path: Path) -> None:
    stored = files.relative(files.model(5))
    assert FileStore(tmp_path / "elsewhere").absolute(stored) == tmp_path / "elsewhere" / "models" / "5"
    with pytest.raises(ValueError):
        files.relative(tmp_path)


@pytest.mark.parametrize("base", ["org/model", "../../etc", "/abs/folder", "mini"])
def test_a_class_pool_stays_inside_the_home(files: FileStore, base: str) -> None:
    pool = files.class_pool(base)
    assert pool.parent == files.home / "class_images"
    assert pool.name not in ("", ".", "..")


def test_two_bases_never_share_a_class_pool(files: FileStore) -> None:
    assert len({files.class_pool(base) for base in ("a/b", "a-b", "/a/b", "a\\b")}) == 4


def test_a_folder_that_two_remove_at_once_is_gone_for_both(tmp_path: Path) -> None:
    files = FileStore(tmp_path)
    for number in range(300):
        (files.model(1) / f"{number}").mkdir(parents=True)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(files.remove, 4 * [files.model(1)]))
    assert list(files.models.iterdir()) == []


def breaks(*_: object, **__: object) -> None:
    raise OSError(5, "Input/output error")


def test_what_two_try_again_to_remove_at_once_is_gone_for_both(
    files: FileStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(300):
        (files.model(1) / f"{number}").mkdir(parents=True)
    with monkeypatch.context() as failing:
        failing.setattr(shutil, "rmtree", breaks)
        files.discard(files.model(1), "ann")
    assert files.has_left("ann")
    caplog.clear()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: files.discard_left(), range(4)))
    assert not any(files.models.iterdir()) and not files.has_left("ann") and not caplog.messages


def test_a_leftover_that_cannot_be_removed_holds_up_no_start_and_goes_at_the_next(
    files: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, file = files.incoming_job(), files.home / "secret.key.incoming"
    file.touch()
    with monkeypatch.context() as failing:
        failing.setattr(shutil, "rmtree", breaks)
        files.sweep()
    assert folder.exists() and not file.exists()
    files.discard_left()
    assert folder.exists(), "somebody may use its name again"
    files.sweep()
    assert not folder.exists()


def test_a_home_is_its_owners_alone_also_if_an_earlier_version_left_it_open(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for folder in (home, home / "pictures", home / "mine"):
        folder.mkdir()
        folder.chmod(0o755)
    (home / "likeness.sqlite3").touch(0o644)
    FileStore(home)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (home, *home.iterdir())}
    assert modes.pop("likeness.sqlite3") == 0o600
    assert modes.pop("mine") == 0o755, "what isn't ours is left alone"
    assert set(modes.values()) == {0o700} and len(modes) > 5


def test_a_volume_of_another_user_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    tmp_path.chmod(0o777)
    monkeypatch.setattr(Path, "chmod", refuse)
    assert FileStore(tmp_path).jobs.is_dir()
