"""The toy portraits: drawing, captions, photo sets, and the reader's accuracy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.toys import (
    IDENTITY,
    Traits,
    caption,
    dataset,
    draw,
    evaluation_prompts,
    photo_set,
    portrait,
    read,
    sample,
)
from data.toys.__main__ import SELFIE_IDENTITY, main
from data.toys.accuracy import Tally, measure
from data.toys.caption import made_up_name
from data.toys.reader import WEIGHTS, read_many
from data.toys.traits import COLOURED, PERSON_VALUES, PET_VALUES, STYLES, VALUES

SELFIES = Path(__file__).parents[2] / "data" / "selfies"


def samples(count: int, seed: int = 0) -> list[tuple[Traits, str]]:
    found = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        traits = sample(rng)
        found.append((traits, caption(traits, rng)))
    return found


@pytest.fixture(scope="module")
def tally() -> Tally:
    return measure(400, seed=77)


@pytest.mark.parametrize(
    ("command", "kept", "out"),
    [("sheet", "mine.png", "mine.png"), ("draw", "000000.png", ""), ("selfies", "selfie-01.jpg", "")],
)
def test_drawings_replace_no_file_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, kept: str, out: str
) -> None:
    (tmp_path / kept).write_text("mine")
    monkeypatch.setattr(sys, "argv", ["toys", command, "--out", str(tmp_path / out)])
    with pytest.raises(SystemExit):
        main()
    assert (tmp_path / kept).read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def test_a_dataset_is_the_same_whatever_the_number_of_workers() -> None:
    alone, words = dataset(300, seed=3, size=32)
    shared, same_words = dataset(300, seed=3, size=32, workers=2)
    assert alone.shape == (300, 32, 32, 3)
    assert alone.dtype == np.uint8
    assert words == same_words
    np.testing.assert_array_equal(alone, shared)


def test_a_longer_dataset_begins_like_a_shorter_one() -> None:
    np.testing.assert_array_equal(dataset(3, seed=5, size=48)[0], dataset(8, seed=5, size=48)[0][:3])


def test_another_seed_draws_other_pictures() -> None:
    assert not np.array_equal(dataset(1, seed=1, size=48)[0], dataset(1, seed=2, size=48)[0])


@pytest.mark.parametrize("size", [64, 96, 128, 512])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("subject", ["person", "cat", "dog"])
def test_every_style_and_subject_is_drawn_at_every_size(size: int, style: str, subject: str) -> None:
    rng = np.random.default_rng(4)
    picture = draw(sample(rng, {"style": style, "subject": subject}), rng, size)
    assert picture.mode == "RGB"
    assert picture.size == (size, size)
    assert np.asarray(picture).std() > 15


def test_a_trait_that_does_not_suit_the_subject_is_refused() -> None:
    with pytest.raises(ValueError, match="a cat has no shirt"):
        sample(np.random.default_rng(0), {"subject": "cat", "shirt": "red"})
    with pytest.raises(ValueError, match="a person has no hat 'sombrero'"):
        sample(np.random.default_rng(0), {"subject": "person", "hat": "sombrero"})


def test_a_random_person_rarely_shares_an_identity() -> None:
    people = [traits for traits, _ in samples(4000) if traits.subject == "person"]
    for name in IDENTITY:
        shares = [
            sum(traits.value(name) == value for traits in people) / len(people) for value in VALUES[name]
        ]
        assert sum(share**2 for share in shares) < 0.3


def test_captions_speak_only_of_what_can_be_seen() -> None:
    for traits, text in samples(3000, seed=8):
        shown = traits.visible()
        for noun, trait in (
            ("shirt", "shirt"),
            ("background", "background"),
            ("skin", "skin"),
            ("fur", "fur"),
        ):
            for colour in re.findall(rf"(\w+) {noun}\b", text):
                assert shown.get(trait) == colour, text
        for colour in re.findall(r"\b(\w+) (?:pigtails|hair)\b", text):
            if colour not in ("with", "no", "and", "in"):
                assert colour in (shown.get("hair_colour"), shown.get("hair_style")), text
        for trait in ("hat", "beard", "glasses"):
            for value in VALUES[trait]:
                if value != "none" and re.search(rf"\b{value}( glasses)?\b", text.replace("red cap", "cap")):
                    assert value in (shown.get(trait), shown.get("background"), shown.get("shirt")), text


def test_captions_of_sketches_name_no_colour() -> None:
    for traits, text in samples(3000, seed=9):
        if traits.style == "pencil sketch":
            assert not COLOURED & traits.visible().keys()
            assert not re.search(r"background|shirt|skin|fur|blond|blue|green", text), text


def test_captions_often_bind_a_colour_to_its_noun() -> None:
    coloured = [(traits, text) for traits, text in samples(4000, seed=10) if traits.style != "pencil sketch"]
    people = [text for traits, text in coloured if traits.subject == "person"]
    assert sum("background" in text for _, text in coloured) / len(coloured) > 0.45
    assert sum("shirt" in text for text in people) / len(people) > 0.45


def test_some_captions_are_plain_and_some_carry_a_made_up_name() -> None:
    texts = [text for _, text in samples(6000, seed=11)]
    plain = sum(text in {f"{style} of a person" for style in STYLES} for text in texts)
    named = sum(
        re.search(r"(?:^|, | of )(?!an? )[a-z0-9]{2,16} (?:person|cat|dog)\b", text) is not None
        for text in texts
    )
    assert 0.04 < plain / len(texts) < 0.12
    assert 0.09 < named / len(texts) < 0.15


def test_made_up_names_are_short_words() -> None:
    rng = np.random.default_rng(0)
    assert all(re.fullmatch(r"[a-z0-9]{2,16}", made_up_name(rng)) for _ in range(500))


def test_captions_use_the_right_article() -> None:
    for _, text in samples(3000, seed=12):
        assert not re.search(r"\ba [aeio]|\ban [^aeio]|  | ,", text), text


def test_evaluation_prompts_ask_for_what_they_say() -> None:
    prompts = evaluation_prompts(200, seed=1)
    assert prompts == evaluation_prompts(200, seed=1)
    assert {asked["style"] for _, asked in prompts if "style" in asked} == set(STYLES)
    for text, asked in prompts:
        assert asked["subject"] in text
        assert text.startswith(asked.get("style", ("a ", "an ")))
        assert all(value in VALUES[name] for name, value in asked.items())
        # All that can be named of a sketched pet is what it is and that it is a sketch.
        fewest = 2 if asked.get("style") == "pencil sketch" else 3
        assert fewest <= len(asked) <= 7
        assert "shirt" not in asked or f"{asked['shirt']} shirt" in text
        assert "background" not in asked or f"{asked['background']} background" in text


def test_the_reader_reads_photos(tally: Tally) -> None:
    assert tally.share(style="photo") >= 0.97


def test_the_reader_reads_every_style(tally: Tally) -> None:
    assert tally.share() >= 0.93
    assert min(tally.share(name) for name in tally.names()) >= 0.85


def test_the_reader_answers_what_suits_the_subject() -> None:
    pictures = [portrait(number, seed=21)[0] for number in range(60)]
    for reading in read_many(pictures):
        own = PERSON_VALUES if reading["subject"] == "person" else PET_VALUES
        assert reading.keys() <= {"subject", "style", "background", *own}
        if reading["style"] == "pencil sketch":
            assert not COLOURED & reading.keys()
        if reading.get("hair_style") == "bald":
            assert "hair_colour" not in reading


def test_the_reader_takes_any_size_and_mode() -> None:
    rng = np.random.default_rng(3)
    traits = sample(rng, {"subject": "dog", "style": "photo", "background": "green", "fur": "orange"})
    for size in (96, 512):
        reading = read(draw(traits, rng, size).convert("RGBA"))
        assert (reading["subject"], reading["fur"], reading["background"]) == ("dog", "orange", "green")


def test_the_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size < 2 * 2**20


def test_reading_leaves_torch_out() -> None:
    code = (
        "import sys; from PIL import Image; from data.toys import read;"
        "read(Image.new('RGB', (64, 64))); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=SELFIES.parents[1], timeout=60)


def test_a_photo_set_keeps_the_identity() -> None:
    identity = {
        "hair_colour": "red",
        "hair_style": "long",
        "skin": "dark",
        "glasses": "square",
        "beard": "none",
    }
    photos = photo_set(identity, count=12, seed=6)
    readings = read_many(photos)
    right = sum(reading.get(name) == value for reading in readings for name, value in identity.items())
    assert right / (len(readings) * len(identity)) > 0.9
    assert len({reading["background"] for reading in readings}) > 2
    with pytest.raises(ValueError, match="an identity needs beard"):
        photo_set({name: value for name, value in identity.items() if name != "beard"}, 1, 0)


def test_the_bundled_selfies_show_their_person() -> None:
    files = sorted(SELFIES.glob("selfie-*.jpg"))
    assert len(files) == 12
    assert sum(file.stat().st_size for file in files) < 600_000
    images = [Image.open(file) for file in files]
    assert all(image.size == (512, 512) for image in images)
    readings = read_many(images)
    right = sum(reading.get(name) == value for reading in readings for name, value in SELFIE_IDENTITY.items())
    assert right / (len(readings) * len(SELFIE_IDENTITY)) > 0.9


def test_the_command_line_draws_pictures_with_captions(tmp_path: Path) -> None:
    def run(*arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "data.toys", *arguments], check=True, cwd=SELFIES.parents[1], timeout=60
        )

    run("draw", "--count", "3", "--size", "32", "--workers", "1", "--out", str(tmp_path / "toys.npz"))
    run("draw", "--count", "3", "--size", "32", "--workers", "1", "--out", str(tmp_path / "toys"))
    with np.load(tmp_path / "toys.npz") as stored:
        assert stored["images"].shape == (3, 32, 32, 3)
        words = (tmp_path / "toys" / "000002.txt").read_text(encoding="utf-8").strip()
        assert words == str(stored["captions"][2])
        np.testing.assert_array_equal(
            np.asarray(Image.open(tmp_path / "toys" / "000002.png")), stored["images"][2]
        )
