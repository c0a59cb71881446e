"""The catalogue's sizes, as the build wrote them into the app tree."""

from __future__ import annotations

import sys
from array import array
from pathlib import Path


def read_sizes(path: Path) -> array[int]:
    """The size of each object in order. Raises ValueError for what is no such table, OSError if it cannot be read."""
    sizes = array("I")
    if sizes.itemsize != 4:
        raise ValueError("this Python's unsigned int has not 32 bits")
    content = path.read_bytes()
    if not content or len(content) % sizes.itemsize:
        raise ValueError(f"{path} is no table of sizes: it has {len(content)} bytes")
    sizes.frombytes(content)
    if sys.byteorder == "big":
        sizes.byteswap()
    return sizes
