"""Uploaded files become upright crops, or are refused with a reason."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from inference.reading import MAX_PIXELS, read_picture
from tests.cases import case
from tests.training import SELFIES
from trainer.errors import TrainError
from trainer.fingerprints import Fingerprints, fingerprint
from trainer.photos import check_count, prepare, read_crops, read_folder

HAIR = (60, 40, 30)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(width: int = 200, height: int = 200) -> Image.Image:
    """Red above, blue below: shows which way up a crop is."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (0, height // 2, width, height))
    image.paste("black", (0, height // 3, width // 4, height // 2))
    return image


def portrait(
    radius: int = 90, at: tuple[int, int] = (300, 300), on: Image.Image | None = None
) -> Image.Image:
    """A drawn head that the cascades take for a face, its hair from 1.45 radii above `at`."""
    image = on or Image.new("RGB", (600, 800), (120, 150, 170))
    draw, (x, y), r = ImageDraw.Draw(image), at, radius

    def spot(left: float, top: float, right: float, bottom: float, colour: tuple[int, int, int]) -> None:
        draw.ellipse((x + left * r, y + top * r, x + right * r, y + bottom * r), fill=colour)

    spot(-1.05, -1.45, 1.05, 1.2, HAIR)
    spot(-0.85, -1.1, 0.85, 1.2, (225, 185, 160))
    for side in (-0.36, 0.36):
        spot(side - 0.27, -0.34, side + 0.27, 0.04, (165, 120, 100))
        spot(side - 0.18, -0.22, side + 0.18, -0.02, (240, 240, 240))
        spot(side - 0.09, -0.22, side + 0.09, -0.02, (30, 20, 20))
    spot(-0.18, 0.27, 0.18, 0.4, (180, 130, 110))
    spot(-0.36, 0.55, 0.36, 0.75, (150, 70, 70))
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
    cut_out = halves().convert("RGBA")
    cut_out.paste((255, 0, 0, 0), (60, 60, 140, 140))
    report = prepare([("cut-out.png", encoded(cut_out))], 96)
    assert report.accepted[0].image.getpixel((48, 48)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["I;16", "CMYK", "L", "P", "LA", "1"])
def test_every_kind_of_pixel_becomes_rgb(kind: str) -> None:
    if kind == "I;16":
        grey = np.asarray(halves().convert("L"), np.uint16) * 257
        content = encoded(Image.fromarray(grey))
    else:
        content = encoded(halves().convert(kind), "JPEG" if kind == "CMYK" else "PNG")
    (photo,) = prepare([("photo", content)], 96).accepted
    expected = halves().convert("1" if kind == "1" else "L")
    assert photo.image.mode == "RGB"
    if kind != "1":
        seen = photo.image.convert("L").getpixel((60, 90))
        assert abs(seen - expected.getpixel((125, 187))) < 12


def test_a_face_decides_the_crop_and_no_head_is_cut() -> None:
    for radius, at in ((60, (150, 200)), (90, (480, 560)), (200, (300, 320))):
        (photo,) = prepare([("me.png", encoded(portrait(radius, at)))], 256).accepted
        assert photo.face
        hair = np.abs(np.asarray(photo.image, int) - HAIR).max(2) < 12
        rows, columns = np.nonzero(hair)
        assert rows.min() > 2 and columns.min() > 2 and columns.max() < 253, (radius, at)
        assert hair.sum() > 256 * 256 * 0.02, "the head is large enough to learn"


def test_several_faces_are_a_question() -> None:
    both = portrait(80, (430, 300), portrait(80, (150, 300)))
    report = prepare([("us.png", encoded(both))], 96)
    assert report.accepted == report.rejected == ()
    (photo,) = report.unclear
    assert (photo.name, [image.size for image in photo.images]) == ("us.png", [(96, 96)] * 2)
    assert prepare([("us.png", encoded(both))], 96, class_name="Old Man").unclear
    assert not prepare([("us.png", encoded(both))], 96, class_name="dog").unclear


def test_a_companion_far_behind_is_no_question() -> None:
    behind = portrait(110, (200, 400), portrait(40, (520, 120)))
    assert prepare([("me.png", encoded(behind))], 96).accepted[0].face


def test_a_blurred_photo_and_one_saved_again_are_refused() -> None:
    with Image.open(SELFIES / "selfie-01.jpg") as selfie:
        files = [
            ("selfie.jpg", (SELFIES / "selfie-01.jpg").read_bytes()),
            ("blurred.jpg", encoded(selfie.filter(ImageFilter.GaussianBlur(24)), "JPEG")),
            ("smaller.jpg", encoded(selfie.resize((300, 300)), "JPEG", quality=60)),
        ]
    report = prepare(files, 96)
    assert [photo.name for photo in report.accepted] == ["selfie.jpg"]
    assert [refused.code for refused in report.rejected] == ["blurred", "duplicate"]


def test_pictures_of_little_contrast_are_not_the_same() -> None:
    seen = Fingerprints()
    for name in ("landscape.png", "plain-blue.jpg", "gradient.png"):
        assert seen.add(fingerprint(read_picture(name, case(name), side=480))), name


def test_photos_in_fog_are_told_apart_by_their_own_contrast() -> None:
    def fog(image: Image.Image) -> Image.Image:
        return image.point(lambda level: 110 + level * 0.2)

    files = []
    for number in ("01", "02"):
        with Image.open(SELFIES / f"selfie-{number}.jpg") as selfie:
            files.append((f"{number}.png", encoded(fog(selfie))))
            files.append((f"{number}-again.jpg", encoded(fog(selfie.resize((300, 300))), "JPEG")))
    report = prepare(files, 96)
    assert [photo.name for photo in report.accepted] == ["01.png", "02.png"]
    assert [refused.code for refused in report.rejected] == ["duplicate"] * 2


def test_all_toy_selfies_are_good() -> None:
    files = [(path.name, path.read_bytes()) for path in sorted(SELFIES.glob("*.jpg"))]
    report = prepare(files, 96)
    assert (len(report.accepted), report.rejected, report.unclear) == (len(files), (), ())


def test_small_is_measured_by_the_model() -> None:
    content = encoded(halves(200, 200))
    assert prepare([("a.png", content)], 96).accepted
    assert prepare([("a.png", content)], 512).rejected[0].code == "too_small"


def test_nothing_of_the_file_but_its_pixels_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    (photo,) = prepare([("a.jpg", encoded(halves(), "JPEG", exif=exif, comment=b"at home"))], 96).accepted
    assert not photo.image.info
    assert not photo.image.getexif()


def test_the_crops_of_a_job_are_taken_as_they_are(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(encoded(Image.new("RGB", (96, 96), "red")))
    assert [crop.size for crop in read_crops(tmp_path, 96)] == [(96, 96)] * 3


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


def test_a_file_of_a_folder_that_can_not_be_read_is_refused_by_itself(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(encoded(halves()))
    (tmp_path / "odd.png").symlink_to("/proc/self/mem")  # nothing lies at its first address
    report = read_folder(tmp_path, 96)
    assert [photo.name for photo in report.accepted] == ["one.png"]
    assert [(refused.name, refused.code) for refused in report.rejected] == [("odd.png", "unreadable")]


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
