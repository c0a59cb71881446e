"""One clock for every timestamp: the host's ``CLOCK_MONOTONIC``, in nanoseconds.

It is the same clock in every process of the host, so stamps taken by the harness, the prober and the load generator
can be subtracted from each other. A guest's clock is never used.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


def now_ns() -> int:
    """Nanoseconds of ``CLOCK_MONOTONIC``."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def sleep_until_ns(deadline_ns: int) -> None:
    """Return at ``deadline_ns`` or as soon after it as the scheduler allows; at once if it has passed."""
    while (left := deadline_ns - now_ns()) > 0:
        time.sleep(left / NS_PER_S)


class Stopwatch:
    """The timeline of one launch: a trigger, then named phases, each stamped once by the host.

    Safe to stamp from several threads. The first stamp of a name stays.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trigger_ns: int | None = None
        self._stamps: dict[str, int] = {}

    def start(self) -> int:
        """Take t0. To be called immediately before the first call that asks for the instance. Returns t0."""
        with self._lock:
            if self._trigger_ns is not None:
                raise RuntimeError("a stopwatch starts once")
            self._trigger_ns = now_ns()
            return self._trigger_ns

    def stamp(self, phase: str, at_ns: int | None = None) -> None:
        """Record that ``phase`` was reached, now or at ``at_ns`` on the same clock."""
        at = now_ns() if at_ns is None else at_ns
        with self._lock:
            self._stamps.setdefault(phase, at)

    @property
    def started(self) -> bool:
        return self._trigger_ns is not None

    @property
    def trigger_ns(self) -> int:
        """t0 in nanoseconds of the monotonic clock. Raises RuntimeError before ``start``."""
        if self._trigger_ns is None:
            raise RuntimeError("the stopwatch has not been started")
        return self._trigger_ns

    def phases(self) -> dict[str, int]:
        """Phase name to nanoseconds since t0, in the order in which they were reached."""
        with self._lock:
            trigger = self._trigger_ns
            if trigger is None:
                return {}
            return {name: at - trigger for name, at in sorted(self._stamps.items(), key=lambda item: item[1])}


def utc_now() -> str:
    """The date and time for people; no duration is ever computed from it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
