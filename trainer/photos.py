"""Uploaded files to upright square crops, each checked (lesson step 6). No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from data.errors import CodedError
from inference.reading import read_picture
from trainer.errors import TrainError
from trainer.faces import crop_to_face, find_faces, sufficient_side
from trainer.fingerprints import Fingerprints, fingerprint
from trainer.spec import MAX_PHOTOS, MIN_PHOTOS

_MIN_SIDE = 64
_UPRIGHT_CENTRE = (0.5, 0.4)
"""Where the square is cut out when no face decides: heads are above the middle of an upright photo."""
_SHARP_SIDE = 256
_SHARP = 10.0
"""Least variance of the Laplacian at `_SHARP_SIDE`; a photo that is merely soft has some dozens."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one file shows, before it is compared with the others of its set."""

    crops: tuple[Image.Image, ...]
    """RGB of the asked size; several where a person has to say which face is meant, from left to right."""
    face: bool
    fingerprint: bytes


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
    """A refused file. Codes: not_an_image, truncated, too_large, too_small, blurred, duplicate; of a folder's
    also unreadable, and several_faces, as nobody can be asked."""

    name: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PhotoReport:
    """What became of a set of files, in their order."""

    accepted: tuple[Prepared, ...]
    rejected: tuple[Rejected, ...]
    unclear: tuple[Unclear, ...] = ()


def prepare(files: Iterable[tuple[str, bytes]], size: int, class_name: str = "person") -> PhotoReport:
    """Check and crop files (name, bytes) to squares of `size` pixels; never raises for a bad file.

    The class says what kind of face to look for (`trainer.faces`).
    """
    accepted: list[Prepared] = []
    rejected: list[Rejected] = []
    unclear: list[Unclear] = []
    seen = Fingerprints()
    for name, content in files:
        try:
            shown = look(name, content, size, class_name)
        except CodedError as error:
            rejected.append(Rejected(name, error.code, error.message))
            continue
        if not seen.add(shown.fingerprint):
            rejected.append(Rejected(name, "duplicate", f"{name} is the same picture as another one."))
        elif len(shown.crops) == 1:
            accepted.append(Prepared(name, shown.crops[0], face=shown.face))
        else:
            unclear.append(Unclear(name, shown.crops))
    return PhotoReport(tuple(accepted), tuple(rejected), tuple(unclear))


def look(name: str, content: bytes, size: int, class_name: str) -> Look:
    """Read one file and crop it to the faces on it, or to its middle.

    Raises PictureError, and TrainError: too_small, blurred.
    """
    photo = _open(name, content, size)
    faces = find_faces(photo, class_name)
    squares = [crop_to_face(photo, face, size) for face in faces]
    if not faces:
        side = min(photo.size)
        squares = [ImageOps.fit(photo, (side, side), centering=_UPRIGHT_CENTRE)]
    crops = tuple(_crop(name, square, size) for square in squares)
    return Look(crops, bool(faces), fingerprint(photo))


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
    unreadable: list[Rejected] = []

    def contents() -> Iterator[tuple[str, bytes]]:
        """One at a time: the folder may hold somebody's whole life in pictures."""
        for file in files:
            try:
                content = file.read_bytes()
            except OSError as error:
                message = f"{file.name} can't be read: {error.strerror}."
                unreadable.append(Rejected(file.name, "unreadable", message))
            else:
                yield file.name, content

    report = prepare(contents(), size, class_name)
    crowded = tuple(
        Rejected(
            photo.name,
            "several_faces",
            f"{photo.name} shows {len(photo.images)} faces; cut out the one that is meant.",
        )
        for photo in report.unclear
    )
    return PhotoReport(report.accepted, (*unreadable, *report.rejected, *crowded))


def read_crops(folder: Path, size: int) -> list[Image.Image]:
    """The crops of a job, which were checked when it was made. Raises CodedError as `prepare` rejects."""
    if not folder.is_dir():
        raise TrainError("no_photos", f"The folder {folder} does not exist.")
    files = sorted(file for file in folder.iterdir() if _may_be_photo(file))
    photos = [_open(file.name, file.read_bytes(), size) for file in files]
    return [ImageOps.fit(photo, (size, size), Image.Resampling.LANCZOS) for photo in photos]


def _may_be_photo(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and file.suffix.lower() not in {".json", ".md"}


def _open(name: str, content: bytes, size: int) -> Image.Image:
    photo = read_picture(name, content, side=sufficient_side(size))
    if min(photo.size) < max(_MIN_SIDE, size // 2):
        raise TrainError("too_small", f"{name} is too small: {photo.width}x{photo.height} pixels.")
    return photo


def _crop(name: str, square: Image.Image, size: int) -> Image.Image:
    """A square at the model's size. Raises TrainError(blurred)."""
    grey = np.asarray(square.convert("L"))
    if len(grey) > _SHARP_SIDE:
        grey = cv2.resize(grey, (_SHARP_SIDE, _SHARP_SIDE), interpolation=cv2.INTER_AREA)
    if cv2.Laplacian(grey, cv2.CV_64F).var() < _SHARP:
        raise TrainError("blurred", f"{name} is too blurred.")
    return square.resize((size, size), Image.Resampling.LANCZOS)
