"""`python -m trainer train` before the training: nothing of a person's goes, and no error uses up `--out`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from data.errors import CodedError
from inference.bases import MINI
from tests.training import QUICK, SELFIES, make_job
from trainer.errors import TrainError
from trainer.job import JobFolder
from trainer.train_command import create_job, train_parser


@pytest.fixture
def selfies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos in the very folder where a job of that name would keep its own."""
    folder = tmp_path_factory.mktemp("mine") / "photos/abraza"
    folder.mkdir(parents=True)
    for file in sorted(SELFIES.glob("*.jpg"))[:3]:
        with Image.open(file) as image:
            image.resize((256, 256)).save(folder / file.name)
    return folder


def ask(out: Path, photos: Path, **changes: object) -> Path:
    """What the command does up to the training itself."""
    options = {"photos": photos, "name": "abraza", "base": "mini", "out": out} | changes
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    return create_job(train_parser().parse_args(words))


def contents(folder: Path) -> dict[str, bytes | None]:
    """All that lies in a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_photos_that_lie_where_the_job_would_put_its_own_stay(selfies: Path) -> None:
    out = selfies.parents[1]
    before = contents(out)
    with pytest.raises(TrainError, match="choose a new or an empty folder") as caught:
        ask(out, selfies)
    assert caught.value.code == "bad_out"
    assert contents(out) == before


def test_photos_inside_of_a_job_that_came_to_nothing_stay(tmp_path: Path, selfies: Path) -> None:
    out = ask(tmp_path / "out", selfies)
    before = contents(out)
    with pytest.raises(TrainError, match="photos lie inside"):
        ask(out, out / "photos/abraza", steps=5)
    assert contents(out) == before


def test_a_base_in_the_place_of_the_result_stays(tmp_path: Path, selfies: Path) -> None:
    shutil.copytree(MINI, tmp_path / "out/model")
    before = contents(tmp_path / "out")
    with pytest.raises(TrainError, match="no training made"):
        ask(tmp_path / "out", selfies, base=tmp_path / "out/model")
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("kept", ["model/weights.bin", "samples/0.png", "loss.png", "letter.txt"])
def test_a_folder_with_other_files_is_refused(tmp_path: Path, selfies: Path, kept: str) -> None:
    file = tmp_path / kept
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"mine")
    with pytest.raises(TrainError, match="no training made"):
        ask(tmp_path, selfies)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]


def test_a_link_to_a_folder_of_other_files_is_refused(tmp_path: Path, selfies: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(selfies, target_is_directory=True)
    with pytest.raises(TrainError, match="no training made"):
        ask(link, selfies)
    assert len(list(selfies.iterdir())) == 3


def test_an_empty_folder_that_is_there_is_filled(
    tmp_path: Path, selfies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".DS_Store").write_bytes(b"")
    assert JobFolder(ask(Path(), selfies)).spec().concepts[0].name == "abraza"
    assert len(list((tmp_path / "photos/abraza").iterdir())) == 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"base": "sd99"}, "no base model"),
        ({"base": "nobody/has-this-model"}, "nobody/has-this-model"),
        ({"name": "two words"}, "letters and digits"),
        ({"vae": "nobody/has-this-vae"}, "No VAE"),
        ({"vae": "not a name"}, "No VAE"),
        ({"vae": SELFIES}, "no VAE"),
        ({"class_pool": SELFIES / "identity.json"}, "--class-pool"),
    ],
)
def test_a_mistake_does_not_use_up_the_folder(
    tmp_path: Path, selfies: Path, wrong: dict[str, object], said: str
) -> None:
    out = tmp_path / "out"
    with pytest.raises(CodedError, match=said):
        ask(out, selfies, **wrong)
    assert not out.exists()


@pytest.mark.parametrize("place", ["file", "file/out", "/proc/out", 300 * "x"])
def test_an_out_that_can_not_be_written_is_said_first(tmp_path: Path, selfies: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(TrainError, match="can't be written") as caught:
        ask(tmp_path / place, selfies)
    assert caught.value.code == "bad_out"
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_first_try_that_came_to_nothing_leaves_the_folder_to_the_next(
    tmp_path: Path, selfies: Path
) -> None:
    out = ask(tmp_path, selfies, steps=10)
    (out / "previews").mkdir()
    Image.new("RGB", (8, 8)).save(out / "previews/00000.png")
    assert JobFolder(ask(tmp_path, selfies, steps=20, name="mirelu")).spec().recipe.steps == 20
    assert not (out / "previews").exists(), "the other training's picture would be taken for this one's"
    assert [path.name for path in (out / "photos").iterdir()] == ["mirelu"]


@pytest.mark.parametrize("kept", ["checkpoint.pt", "model", "result.jsonl"])
def test_a_job_with_work_in_it_gives_way_to_no_other(tmp_path: Path, selfies: Path, kept: str) -> None:
    ask(tmp_path, selfies, steps=10)
    (tmp_path / kept).mkdir()
    with pytest.raises(TrainError, match="holds another job"):
        ask(tmp_path, selfies, steps=20)
    assert JobFolder(tmp_path).spec().recipe.steps == 10
    assert JobFolder(ask(tmp_path, selfies, steps=10)).spec().recipe.steps == 10, "the same goes on"


def test_a_job_that_is_at_work_gives_way_to_no_other(tmp_path: Path, selfies: Path) -> None:
    ask(tmp_path, selfies, steps=10)
    with JobFolder(tmp_path).locked(lambda: False), pytest.raises(TrainError, match="at work"):
        ask(tmp_path, selfies, steps=20)
    assert JobFolder(tmp_path).spec().recipe.steps == 10


def test_what_a_kill_left_while_a_job_was_written_is_no_hindrance(tmp_path: Path, selfies: Path) -> None:
    make_job(tmp_path, QUICK)
    (tmp_path / "job.json").rename(tmp_path / "job.json.incoming")
    ask(tmp_path, selfies)
    assert len(list((tmp_path / "photos/abraza").iterdir())) == 3


def test_a_disk_that_fills_up_leaves_the_folder_free(
    tmp_path: Path, selfies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(TrainError, match="No space left"):
        patch.setattr("trainer.job.sync_folder", full)
        ask(tmp_path, selfies)
    assert [path for path in tmp_path.iterdir() if not path.name.startswith(".")] == []


def test_a_tilde_is_the_home_folder(tmp_path: Path, selfies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ask(Path("~/out"), selfies) == tmp_path / "out"


def test_a_sample_prompt_that_is_not_read_to_its_end_is_said(
    tmp_path: Path, selfies: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ask(tmp_path / "out", selfies, sample_prompt=40 * "abraza person " + "with a tower")
    assert "is drawn without" in caplog.text and "tower" in caplog.text
