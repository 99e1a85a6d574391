"""Uploaded files to upright square crops, each checked (lesson step 6). No torch: the bot uses it too."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps
from pillow_heif import register_heif_opener

from data.errors import CodedError
from trainer.errors import TrainError
from trainer.faces import crop_to_face, find_faces
from trainer.spec import MAX_PHOTOS, MIN_PHOTOS

register_heif_opener()

MAX_PIXELS = 80_000_000
"""Above this a file is taken for a decompression bomb; the largest phone cameras stay below."""
_MIN_SIDE = 64
_UPRIGHT_CENTRE = (0.5, 0.4)
"""Where the square is cut out when no face decides: heads are above the middle of an upright photo."""
_SHARP_SIDE = 256
_SHARP = 10.0
"""Least variance of the Laplacian at `_SHARP_SIDE`; a photo that is merely soft has some dozens."""
_HASH_SIDE = 16
_HASH_MARGIN = 4
"""Grey levels that count as brighter; less is the noise of saving a JPEG again."""
_SAME_BITS = 12
"""Photos whose hashes of 256 bits differ in no more are the same picture, saved or scaled anew."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An accepted photo as RGB of the asked size, without metadata."""

    name: str
    image: Image.Image
    face: bool = False
    """Whether a face decided what is shown; else it is a cut from (nearly) the middle."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A photo of several faces, from left to right: only a person knows which one is meant."""

    name: str
    images: tuple[Image.Image, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A refused file. Codes: not_an_image, truncated, too_large, too_small, blurred, duplicate, several_faces
    (where nobody can be asked)."""

    name: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PhotoReport:
    """What became of a set of files, in their order."""

    accepted: tuple[Prepared, ...]
    rejected: tuple[Rejected, ...]
    unclear: tuple[Unclear, ...] = ()


def prepare(files: Sequence[tuple[str, bytes]], size: int, class_name: str = "person") -> PhotoReport:
    """Check and crop files (name, bytes) to squares of `size` pixels; never raises for a bad file.

    The class says what kind of face to look for (`trainer.faces`).
    """
    accepted: list[Prepared] = []
    rejected: list[Rejected] = []
    unclear: list[Unclear] = []
    seen: list[np.ndarray] = []
    for name, content in files:
        try:
            photo = _open(name, content, size)
            fingerprint = _fingerprint(photo)
            if any(np.count_nonzero(fingerprint != other) <= _SAME_BITS for other in seen):
                raise TrainError("duplicate", f"{name} is the same picture as another one.")
            faces = find_faces(photo, class_name)
            crops = [_crop(name, crop_to_face(photo, face, size), size) for face in faces]
            if not faces:
                side = min(photo.size)
                centre = ImageOps.fit(photo, (side, side), centering=_UPRIGHT_CENTRE)
                crops = [_crop(name, centre, size)]
        except CodedError as error:
            rejected.append(Rejected(name, error.code, error.message))
            continue
        seen.append(fingerprint)
        if len(crops) == 1:
            accepted.append(Prepared(name, crops[0], face=bool(faces)))
        else:
            unclear.append(Unclear(name, tuple(crops)))
    return PhotoReport(tuple(accepted), tuple(rejected), tuple(unclear))


def check_count(count: int) -> None:
    """Raise TrainError(too_few_photos | too_many_photos) unless there are 3 to 20 usable photos."""
    if count < MIN_PHOTOS:
        message = f"At least {MIN_PHOTOS} usable photos are needed; here are {count}."
        raise TrainError("too_few_photos", message)
    if count > MAX_PHOTOS:
        raise TrainError("too_many_photos", f"At most {MAX_PHOTOS} photos can be used; here are {count}.")


def read_folder(folder: Path, size: int, class_name: str = "person") -> PhotoReport:
    """Prepare every file of a folder; hidden files, folders and JSON notes are passed over.

    A photo of several faces is rejected: here is nobody to ask.
    Raises TrainError(no_photos) when the folder is missing or empty.
    """
    if not folder.is_dir():
        raise TrainError("no_photos", f"The folder {folder} does not exist.")
    files = sorted(file for file in folder.iterdir() if _may_be_photo(file))
    if not files:
        raise TrainError("no_photos", f"The folder {folder} holds no photos.")
    report = prepare([(file.name, file.read_bytes()) for file in files], size, class_name)
    crowded = tuple(
        Rejected(
            photo.name,
            "several_faces",
            f"{photo.name} shows {len(photo.images)} faces; cut out the one that is meant.",
        )
        for photo in report.unclear
    )
    return PhotoReport(report.accepted, report.rejected + crowded)


def read_crops(folder: Path, size: int) -> list[Image.Image]:
    """The crops of a job, which were checked when it was made. Raises TrainError as `prepare` rejects."""
    if not folder.is_dir():
        raise TrainError("no_photos", f"The folder {folder} does not exist.")
    files = sorted(file for file in folder.iterdir() if _may_be_photo(file))
    photos = [_open(file.name, file.read_bytes(), size) for file in files]
    return [ImageOps.fit(photo, (size, size), Image.Resampling.LANCZOS) for photo in photos]


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
    if min(image.size) < max(_MIN_SIDE, size // 2):
        raise TrainError("too_small", f"{name} is too small: {image.width}x{image.height} pixels.")
    try:
        image.load()
    except Exception as error:
        raise TrainError("truncated", f"{name} is damaged or incomplete.") from error
    return _upright_rgb(image)


def _crop(name: str, square: Image.Image, size: int) -> Image.Image:
    """A square at the model's size. Raises TrainError(blurred)."""
    grey = np.asarray(square.convert("L"))
    if len(grey) > _SHARP_SIDE:
        grey = cv2.resize(grey, (_SHARP_SIDE, _SHARP_SIDE), interpolation=cv2.INTER_AREA)
    if cv2.Laplacian(grey, cv2.CV_64F).var() < _SHARP:
        raise TrainError("blurred", f"{name} is too blurred.")
    return square.resize((size, size), Image.Resampling.LANCZOS)


def _fingerprint(image: Image.Image) -> np.ndarray:
    """A difference hash: where the picture, made very small, gets brighter from left to right."""
    small = image.convert("L").resize((_HASH_SIDE + 1, _HASH_SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small, np.int16)
    return pixels[:, 1:] > pixels[:, :-1] + _HASH_MARGIN


def _too_large(name: str) -> TrainError:
    return TrainError("too_large", f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels.")


def _upright_rgb(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation, put transparency on white, bring 16-bit grey to 8."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # Pillow's own conversion would clip all above 255 to white
        return Image.fromarray((np.asarray(upright, np.int64) >> 8).clip(0, 255).astype(np.uint8)).convert(
            "RGB"
        )
    if not upright.has_transparency_data:
        rgb = upright.convert("RGB")
    else:
        with_alpha = upright.convert("RGBA")
        white = Image.new("RGBA", with_alpha.size, "white")
        rgb = Image.alpha_composite(white, with_alpha).convert("RGB")
    rgb.info.clear()
    return rgb
