"""Stands in for libCacheSim where only the processes around it are tested: answers at once, or misbehaves by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

SOURCE = Path(__file__)
"""Copied to ``libcachesim.py`` in a folder on PYTHONPATH, it is what a worker imports."""


class TraceType:
    ORACLE_GENERAL_TRACE = 0


class TraceReader:
    def __init__(self, path: str, _kind: int) -> None:
        self.path = path


class _Cache:
    """Says that it has seen ten requests and missed a share that its name and size tell."""

    by_requests = 0.5

    def __init__(self, size: int, **_options: Any) -> None:
        self.size = size
        self.n_req = 10
        self._cache = self

    def process_trace(self, _reader: TraceReader) -> tuple[float, float]:
        print(f"{type(self).__name__} was here")
        return self.by_requests, self.size / 1000


class FIFO(_Cache):
    by_requests = 0.75


class LRU(_Cache):
    pass


class LFU(_Cache):
    """Ends as C code does that does not like what it sees."""

    def process_trace(self, _reader: TraceReader) -> tuple[float, float]:
        print("assertion failed: no such object", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGABRT)
        raise RuntimeError("not reached")


class ARC(_Cache):
    """Never ends. Says who it is, so that a test can see it gone."""

    def process_trace(self, _reader: TraceReader) -> tuple[float, float]:
        Path("arc.pid").write_text(str(os.getpid()), "ascii")
        while True:
            time.sleep(60)


class GDSF(_Cache):
    """Loses a request."""

    def process_trace(self, reader: TraceReader) -> tuple[float, float]:
        self.n_req -= 1
        return super().process_trace(reader)
