"""Files made to harm whoever reads them."""

import io

from PIL import Image


def many_scans(scans: int = 20_000, side: int = 2000) -> bytes:
    """A small JPEG that takes long: its last scan comes again and again, each over all blocks."""
    buffer = io.BytesIO()
    Image.new("L", (side, side), 99).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last = content.rindex(b"\xff\xda")
    scan, end = content[last:-2], content[-2:]
    return content[:last] + scan * scans + end


def many_pixels(side: int) -> bytes:
    """A small PNG of one colour that fills memory."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), "navy").save(buffer, "PNG")
    return buffer.getvalue()
