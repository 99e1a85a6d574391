"""Uploaded files become upright crops, or are refused with a reason."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from trainer.errors import TrainError
from trainer.photos import MAX_PIXELS, check_count, prepare, read_folder


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(width: int = 200, height: int = 200) -> Image.Image:
    """Red above, blue below: shows which way up a crop is."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (0, height // 2, width, height))
    return image


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "HEIF", "AVIF"])
def test_every_format_of_a_phone_is_read(kind: str) -> None:
    report = prepare([("photo", encoded(halves(), kind))], 96)
    (photo,) = report.accepted
    assert photo.image.size == (96, 96)
    assert photo.image.mode == "RGB"
    red, _, blue = photo.image.getpixel((48, 10))
    assert red > 200 > 60 > blue


def test_a_sideways_photo_is_turned_upright() -> None:
    sideways = halves().rotate(90)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera says: turn by 90 degrees clockwise
    report = prepare([("phone.jpg", encoded(sideways, "JPEG", exif=exif))], 96)
    red, _, blue = report.accepted[0].image.getpixel((48, 10))
    assert red > 200 > 60 > blue
    assert not report.accepted[0].image.getexif()


def test_transparency_becomes_white() -> None:
    report = prepare([("cut-out.png", encoded(Image.new("RGBA", (200, 200), (255, 0, 0, 0))))], 96)
    assert report.accepted[0].image.getpixel((48, 48)) == (255, 255, 255)


def test_bad_files_are_refused_one_by_one_and_good_ones_kept() -> None:
    good = encoded(halves())
    bomb = encoded(Image.new("1", (MAX_PIXELS // 5000 + 1, 5000)))
    files = [
        ("good.png", good),
        ("notes.txt", b"these are words"),
        ("half.png", good[: len(good) // 2]),
        ("bomb.png", bomb),
        ("tiny.png", encoded(halves(20, 20))),
        ("again.png", good),
    ]
    report = prepare(files, 96)
    assert [photo.name for photo in report.accepted] == ["good.png"]
    assert [(refused.name, refused.code) for refused in report.rejected] == [
        ("notes.txt", "not_an_image"),
        ("half.png", "truncated"),
        ("bomb.png", "too_large"),
        ("tiny.png", "too_small"),
        ("again.png", "duplicate"),
    ]
    assert all(refused.name in refused.message for refused in report.rejected)


def test_a_folder_is_read_without_its_hidden_files_and_notes(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(encoded(halves()))
    (tmp_path / ".DS_Store").write_bytes(b"finder")
    (tmp_path / "identity.json").write_text("{}")
    (tmp_path / "more").mkdir()
    report = read_folder(tmp_path, 96)
    assert [photo.name for photo in report.accepted] == ["one.png"]
    assert not report.rejected


@pytest.mark.parametrize("make", [lambda folder: None, lambda folder: folder.mkdir()])
def test_a_missing_or_empty_folder_is_named(tmp_path: Path, make: object) -> None:
    folder = tmp_path / "selfies"
    make(folder)
    with pytest.raises(TrainError, match="selfies") as caught:
        read_folder(folder, 96)
    assert caught.value.code == "no_photos"


@pytest.mark.parametrize(("count", "code"), [(2, "too_few_photos"), (21, "too_many_photos")])
def test_three_to_twenty_photos_are_needed(count: int, code: str) -> None:
    with pytest.raises(TrainError) as caught:
        check_count(count)
    assert caught.value.code == code
    check_count(3)
    check_count(20)
