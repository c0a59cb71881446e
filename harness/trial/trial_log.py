"""``harness.log`` in a trial's folder: what the harness did during one attempt, a line each, as its loggers say it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.clock import NS_PER_S, now_ns

TRIAL_LOG = "harness.log"


@contextmanager
def trial_log(folder: Path) -> Iterator[None]:
    """Append everything from debug on that loggers below ``harness`` say in the block to the folder's ``harness.log``.

    A line begins with its moment in seconds of the one clock (``harness.clock``), so that it can be compared with the
    record's stamps. Raises OSError if the file cannot be opened; a line that the disk refuses later is dropped.
    """
    handler = _Quiet(folder / TRIAL_LOG, encoding="utf-8")
    handler.setFormatter(_Stamped("%(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("harness")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        handler.close()


class _Quiet(logging.FileHandler):
    """Whoever measures on a full disk fails, and says so: no traceback is printed for the log."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """The line is dropped."""

    def close(self) -> None:
        """The last line may be what the disk refuses."""
        try:
            super().close()
        except OSError:
            return


class _Stamped(logging.Formatter):
    """A handler formats a line as soon as it is said."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{now_ns() / NS_PER_S:.6f} {super().format(record)}"
