"""Whatever a person gives becomes upright sRGB pixels, or an error of that one file."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from inference.errors import ModelError, PictureError
from inference.reading import MAX_PIXELS, read_picture
from inference.sampler import open_init
from tests.cases import case
from tests.training import SELFIES


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def red_over_blue() -> Image.Image:
    image = Image.new("RGB", (96, 96), "red")
    image.paste("blue", (0, 48, 96, 96))
    return image


def top_of(image: Image.Image) -> str:
    red, _, blue = image.getpixel((image.width // 2, image.height // 8))
    return "red" if red > 180 > 80 > blue else "blue" if blue > 180 > 80 > red else "neither"


def swapped_profile() -> bytes:
    """A profile in which what is called red is blue, and the other way round."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return srgb.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")


def linear_grey() -> bytes:
    """A profile (ICC.1:2001-04) of grey whose values are amounts of light."""
    white = struct.pack(">3i", 63190, 65536, 54061)  # D50
    tags = {b"wtpt": b"XYZ " + bytes(4) + white, b"kTRC": b"curv" + bytes(8)}
    place = 128 + 4 + 12 * len(tags)
    table, values = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">2I", place + len(values), len(value))
        values += value
    header = struct.pack(">I4xI", place + len(values), 0x02400000) + b"mntrGRAYXYZ " + bytes(12) + b"acsp"
    return header.ljust(68, b"\0") + white.ljust(60, b"\0") + table + values


def exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """An EXIF block of entries (tag, type, count, value of four bytes), which no camera would write so."""
    table = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + table + bytes(4)


SIX = (0x0112, 3, 1, b"\x06\0\0\0")
"""Turn by 90 degrees clockwise."""


@pytest.mark.parametrize("name", ["odd_exif.jpg", "odd_exif_resolution.jpg", "fuzz0.jpeg", "fuzz1.jpeg"])
def test_odd_values_beside_the_pixels_do_not_matter(name: str) -> None:
    assert read_picture(name, case(name), side=96).mode == "RGB"


def test_a_photo_is_turned_whatever_else_its_exif_says() -> None:
    odd = exif(SIX, (0x011A, 2, 4, b"odd\0"))  # a resolution in words
    content = encoded(red_over_blue().rotate(90), "JPEG", exif=odd)
    assert top_of(read_picture("a.jpg", content, side=96)) == "red"


def test_an_orientation_that_can_not_be_read_is_upright() -> None:
    content = encoded(red_over_blue(), "JPEG", exif=exif((0x0112, 2, 4, b"six\0")))
    assert top_of(read_picture("a.jpg", content, side=96)) == "red"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF"])
def test_colours_are_converted_by_the_profile_in_every_format(kind: str) -> None:
    content = encoded(red_over_blue(), kind, icc_profile=swapped_profile())
    assert top_of(read_picture("a", content, side=96)) == "blue"


@pytest.mark.parametrize("name", ["display.jpg", "display.heic", "adobe.jpg", "prophoto.jpg"])
def test_a_photo_of_a_phone_or_camera_keeps_its_colours(name: str) -> None:
    """These are the first selfie, converted to the profile that they embed."""
    with Image.open(SELFIES / "selfie-01.jpg") as selfie:
        true = np.asarray(selfie.convert("RGB").resize((64, 64), Image.Resampling.BOX), float)
    seen = np.asarray(read_picture(name, case(name), side=640).resize((64, 64), Image.Resampling.BOX), float)
    assert np.abs(seen - true).mean() < 1.5


@pytest.mark.parametrize("profile", [b"no profile", swapped_profile()[:300]])
def test_a_broken_profile_is_passed_over(profile: bytes) -> None:
    content = encoded(red_over_blue(), icc_profile=profile)
    assert top_of(read_picture("a.png", content, side=96)) == "red"


def test_a_profile_for_other_pixels_is_passed_over() -> None:
    content = encoded(red_over_blue().convert("CMYK"), "JPEG", icc_profile=swapped_profile())
    assert top_of(read_picture("a.jpg", content, side=96)) == "red"


def test_grey_with_a_profile_for_colours_stays_grey() -> None:
    content = encoded(Image.new("L", (96, 96), 77), icc_profile=swapped_profile())
    assert max(abs(one - 77) for one in read_picture("a.png", content, side=96).getpixel((9, 9))) <= 1


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_is_converted_by_a_profile_of_its_own(mode: str) -> None:
    content = encoded(Image.new("L", (96, 96), 128).convert(mode), icc_profile=linear_grey())
    # Half of the light, by sRGB's own curve (IEC 61966-2-1).
    assert all(abs(one - 188) <= 1 for one in read_picture("a.png", content, side=96).getpixel((9, 9)))


def test_a_phone_of_200_megapixels_is_read_small() -> None:
    content = encoded(Image.new("L", (16320, 12240), 99), "JPEG")
    image = read_picture("phone.jpg", content, side=2000)
    assert image.size == (4080, 3060)
    assert image.getpixel((9, 9)) == (99, 99, 99)


@pytest.mark.parametrize("kind", ["RGBA", "P", "RGB"])
def test_a_large_picture_is_reduced_as_a_whole(kind: str) -> None:
    large = Image.radial_gradient("L").resize((3000, 2001)).convert("RGB")
    if kind == "RGBA":
        large.putalpha(128)
    content = encoded(large.convert(kind), compress_level=1)
    seen = read_picture("a.png", content, side=480)
    assert seen.size == (750, 501)
    whole = large.convert(kind).convert("RGBA")
    true = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB").reduce(4)
    assert np.abs(np.asarray(seen, int) - np.asarray(true, int)).max() <= 1


def test_more_pixels_than_can_be_decoded_are_refused() -> None:
    content = encoded(Image.new("1", (MAX_PIXELS // 5000 + 1, 5000)))
    with pytest.raises(PictureError, match=r"bomb\.png") as caught:
        read_picture("bomb.png", content, side=96)
    assert caught.value.code == "too_large"


def test_long_texts_and_profiles_in_a_png_do_not_matter() -> None:
    history = PngInfo()
    history.add_text("history", "brush stroke, " * 200_000, zip=True)
    content = encoded(red_over_blue(), pnginfo=history, icc_profile=bytes(2_000_000))
    assert top_of(read_picture("painting.png", content, side=96)) == "red"


def test_no_program_is_started_for_a_file_called_jpg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    selfie = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 600 600\n%%EndComments\nshowpage\n"
    with pytest.raises(PictureError) as caught:
        read_picture("selfie.jpg", selfie, side=96)
    assert caught.value.code == "not_an_image"
    (tmp_path / "selfie.jpg").write_bytes(selfie)
    with pytest.raises(ModelError, match=r"selfie\.jpg is not an image"):
        open_init(tmp_path / "selfie.jpg", 96, 96)
    assert not (tmp_path / "started").exists()


def test_a_picture_to_start_from_is_read_as_photos_are(tmp_path: Path) -> None:
    content = encoded(red_over_blue().rotate(90), "JPEG", exif=exif(SIX), icc_profile=swapped_profile())
    (tmp_path / "mine.jpg").write_bytes(content)
    assert top_of(open_init(tmp_path / "mine.jpg", 64, 64)) == "blue"
    grey = Image.fromarray(np.full((96, 96), 77 * 257, np.uint16))
    (tmp_path / "scan.png").write_bytes(encoded(grey))
    assert open_init(tmp_path / "scan.png", 64, 64).getpixel((9, 9)) == (77, 77, 77)
