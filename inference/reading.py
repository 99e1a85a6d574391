"""A picture that a person gives, as upright sRGB pixels and nothing else. No torch.

What is read may come from a stranger: few formats are opened, and whatever a decoder raises is an error of
that one file. What a decoder takes in time and memory is bounded by its process (`trainer.intake`).
"""

from __future__ import annotations

import io

import numpy as np
from PIL import ExifTags, Image, ImageCms, JpegImagePlugin, PngImagePlugin
from pillow_heif import register_heif_opener

from inference.errors import PictureError

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF")
"""No others: Pillow starts Ghostscript for an EPS, whatever its name. A phone's MPO counts as JPEG."""
MAX_PIXELS = 80_000_000
"""Most pixels that are decoded. Of a JPEG those count that are left once it is read small."""
_STRIP_PIXELS = 4_000_000
_PLAIN_MODES = ("L", "RGB", "CMYK")
_SRGB = ImageCms.createProfile("sRGB")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture of an EXIF orientation upright (CIPA DC-008, tag 274)."""

register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
# Pillow refuses by the size that a file states, also where it would be read small: `MAX_PIXELS` decides.
Image.MAX_IMAGE_PIXELS = None
# Painting programs keep whole histories in a PNG's text, printers large profiles: more than Pillow's 1 MiB.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY


def read_picture(name: str, content: bytes, *, side: int) -> Image.Image:
    """The picture of a file in RGB: upright, in sRGB by its own profile, on white where it is transparent.

    `side` is how many pixels of the shorter side are of use: a larger picture comes reduced by a whole
    number, to no less than that. `name` is for the errors. Raises PictureError.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            image.draft(None, (side, side))
    except Exception as error:  # decoders raise many kinds for bytes that aren't theirs
        raise PictureError("not_an_image", f"{name} is not an image that can be read.") from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name)
    try:
        image.load()
        small = _reduced(image, max(1, min(image.size) // side))
        upright = _upright(_in_srgb(small, image.info.get("icc_profile")), image)
    except MemoryError as error:
        raise _too_large(name) from error
    except Exception as error:
        raise PictureError("truncated", f"{name} is damaged or incomplete.") from error
    upright.info.clear()
    return upright


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """A copy in one of the plain modes, its sides divided by `factor`.

    Strip by strip: converting the whole picture first would take its memory several times.
    """
    rows = max(1, _STRIP_PIXELS // (image.width * factor)) * factor
    strips = (
        _plain(image.crop((0, top, image.width, min(top + rows, image.height)))).reduce(factor)
        for top in range(0, image.height, rows)
    )
    first = next(strips)
    small = Image.new(first.mode, (first.width, -(-image.height // factor)))
    small.paste(first)
    for place, strip in enumerate(strips, 1):
        small.paste(strip, (0, place * rows // factor))
    return small


def _plain(image: Image.Image) -> Image.Image:
    """Without transparency, palette or more than 8 bits."""
    if image.mode.startswith("I"):  # Pillow's own conversion would clip all above 255 to white
        grey = np.asarray(image).astype(np.int64) >> 8
        return Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        mode = "L" if image.mode in ("L", "LA") else "RGB"  # grey stays what its profile is for
        with_alpha = image.convert(f"{mode}A")
        white = Image.new(mode, image.size, "white")
        return Image.composite(with_alpha.convert(mode), white, with_alpha.getchannel("A"))
    return image if image.mode in _PLAIN_MODES else image.convert("RGB")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB as a screen shows it. A profile that is broken, or not one for such pixels, is passed over."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if image.mode == "L" and source.profile.xcolor_space == "RGB ":
                image = image.convert("RGB")
            transform = ImageCms.buildTransform(
                source,
                _SRGB,
                image.mode,
                "RGB",
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            return ImageCms.applyTransform(image, transform) or image
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass
    return image.convert("RGB")


def _upright(image: Image.Image, file: Image.Image) -> Image.Image:
    """Turned as the file's EXIF says; where that can't be read, the picture is upright as it is."""
    try:
        turn = _TURNS.get(int(file.getexif().get(ExifTags.Base.Orientation, 1)))
    except Exception:  # Pillow's EXIF reader raises many kinds for odd values
        turn = None
    return image if turn is None else image.transpose(turn)


def _too_large(name: str) -> PictureError:
    return PictureError("too_large", f"{name} has too many pixels, above {MAX_PIXELS // 1_000_000} million.")
