"""A file's bytes in chunks, decompressed on the way if they are zstd. Never more than a few chunks in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from harness.errors import SpecError

CHUNK = 8 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"


def chunks(path: Path) -> Iterator[bytes]:
    """The content of ``path``. Whether it is compressed is told by its first bytes, not by its name.

    Raises SpecError for a file that cannot be read, and for zstd data that is damaged or ends too early.
    """
    try:
        with path.open("rb") as file:
            is_zstd = file.read(len(_ZSTD)) == _ZSTD
            file.seek(0)
            if not is_zstd:
                while chunk := file.read(CHUNK):
                    yield chunk
                return
            yield from _decompressed(path, file)
    except FileNotFoundError as error:
        raise SpecError(f"There is no file {path}.", "Name a trace, or a sequence: zipf:KEY=VALUE,…") from error
    except IsADirectoryError as error:
        raise SpecError(f"{path} is a folder.", "Name a trace in it.") from error
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror or error}.", "Name a readable file.") from error


def _decompressed(path: Path, file: BinaryIO) -> Iterator[bytes]:
    import pyarrow as pa

    done = 0
    stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    while True:
        try:
            chunk = stream.read(CHUNK)
        except OSError as error:
            where = f"after {done:,} bytes of content"
            if "truncated" in str(error).lower():
                what = f"{path} is truncated: its zstd data ends too early, {where}."
            else:
                what = f"{path} is damaged: its zstd data cannot be decompressed, {where}."
            raise SpecError(what, f"Fetch or compress it again; `zstd --test {path}` must succeed.") from error
        if not chunk:
            return
        done += len(chunk)
        yield chunk
