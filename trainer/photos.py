"""Uploaded files to upright square crops, each checked (lesson step 6). No torch: the bot uses it too."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps
from pillow_heif import register_heif_opener

from data.errors import CodedError
from trainer.errors import TrainError
from trainer.spec import MAX_PHOTOS, MIN_PHOTOS

register_heif_opener()

MAX_PIXELS = 80_000_000
"""Above this a file is taken for a decompression bomb; the largest phone cameras stay below."""
_MIN_SIDE = 64
_UPRIGHT_CENTRE = (0.5, 0.4)
"""Where the square is cut out: heads are above the middle of an upright photo."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An accepted photo as RGB of the asked size, without metadata."""

    name: str
    image: Image.Image


@dataclass(frozen=True, slots=True)
class Rejected:
    """A refused file. Codes: not_an_image, truncated, too_large, too_small, duplicate."""

    name: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PhotoReport:
    """What became of a set of files, in their order."""

    accepted: tuple[Prepared, ...]
    rejected: tuple[Rejected, ...]


def prepare(files: Sequence[tuple[str, bytes]], size: int) -> PhotoReport:
    """Check and crop files (name, bytes) to squares of `size` pixels; never raises for a bad file."""
    accepted: list[Prepared] = []
    rejected: list[Rejected] = []
    seen: set[bytes] = set()
    for name, content in files:
        try:
            image = _open(name, content, size)
            pixels = hashlib.sha256(image.tobytes()).digest()
            if pixels in seen:
                raise TrainError("duplicate", f"{name} is the same picture as another one.")
        except CodedError as error:
            rejected.append(Rejected(name, error.code, error.message))
        else:
            seen.add(pixels)
            accepted.append(Prepared(name, image))
    return PhotoReport(tuple(accepted), tuple(rejected))


def check_count(count: int) -> None:
    """Raise TrainError(too_few_photos | too_many_photos) unless there are 3 to 20 usable photos."""
    if count < MIN_PHOTOS:
        message = f"At least {MIN_PHOTOS} usable photos are needed; here are {count}."
        raise TrainError("too_few_photos", message)
    if count > MAX_PHOTOS:
        raise TrainError("too_many_photos", f"At most {MAX_PHOTOS} photos can be used; here are {count}.")


def read_folder(folder: Path, size: int) -> PhotoReport:
    """Prepare every file of a folder; hidden files, folders and JSON notes are passed over.

    Raises TrainError(no_photos) when the folder is missing or empty.
    """
    if not folder.is_dir():
        raise TrainError("no_photos", f"The folder {folder} does not exist.")
    files = sorted(file for file in folder.iterdir() if _may_be_photo(file))
    if not files:
        raise TrainError("no_photos", f"The folder {folder} holds no photos.")
    return prepare([(file.name, file.read_bytes()) for file in files], size)


def _may_be_photo(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and file.suffix.lower() not in {".json", ".md"}


def _open(name: str, content: bytes, size: int) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content))
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except Exception as error:  # decoders raise many kinds for bytes that aren't theirs
        raise TrainError("not_an_image", f"{name} is not an image that can be read.") from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name)
    if min(image.size) < _MIN_SIDE:
        raise TrainError("too_small", f"{name} is too small: {image.width}x{image.height} pixels.")
    try:
        image.load()
    except Exception as error:
        raise TrainError("truncated", f"{name} is damaged or incomplete.") from error
    return ImageOps.fit(
        _upright_rgb(image), (size, size), Image.Resampling.LANCZOS, centering=_UPRIGHT_CENTRE
    )


def _too_large(name: str) -> TrainError:
    return TrainError("too_large", f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels.")


def _upright_rgb(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation and put transparency on white."""
    upright = ImageOps.exif_transpose(image)
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    with_alpha = upright.convert("RGBA")
    white = Image.new("RGBA", with_alpha.size, "white")
    return Image.alpha_composite(white, with_alpha).convert("RGB")
