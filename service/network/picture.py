"""A drawing as PNG or PDF: equal drawings are converted once, so that their bytes stay the same."""

from functools import lru_cache
from typing import Literal

import vl_convert


@lru_cache(maxsize=256)
def converted(drawn: str, kind: Literal["png", "pdf"]) -> bytes:
    """An SVG as PNG, twice its size in pixels, or as PDF."""
    made = vl_convert.svg_to_png(drawn, scale=2) if kind == "png" else vl_convert.svg_to_pdf(drawn)
    return bytes(made)
