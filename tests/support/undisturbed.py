"""Whether the host let a measurement alone, by its own counters: what was stolen, what others used, and stalls.

For measurements of one moment after another, which a busy host makes late. None is ever left out for its figure.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from harness.clock import NS_PER_S
from harness.host.noise import NoiseCounters
from tests.support import stalls
from tests.support.truth import Window

MOST_STOLEN = 0.02
"""Of the time of all CPUs, as in an experiment's ``[validity]``."""

MOST_BY_OTHERS = 0.05
"""Of the time of all CPUs: a tenth of one CPU of two."""


@contextmanager
def undisturbed() -> Iterator[Window]:
    """Disturbed by a hypervisor that took CPUs away, and by processes that are neither this one nor its children.

    Children count once they have ended, so whatever the measurement starts must end within it.
    """
    window = Window()
    before, begun_ns = NoiseCounters.read(()), own_cpu_ns()
    yield window
    figures = before.until(NoiseCounters.read(()), own_cpu_ns() - begun_ns)
    if figures.steal_share > MOST_STOLEN:
        window.disturbed = f"{figures.steal_share:.1%} of all CPU time was stolen"
    elif figures.other_busy_share > MOST_BY_OTHERS:
        window.disturbed = f"other processes used {figures.other_busy_share:.1%} of all CPU time"


@contextmanager
def on_time(most_late: float) -> Iterator[Window]:
    """The same, and by a host that made more than that share of all wake-ups late (tests/support/stalls.py)."""
    with undisturbed() as window, stalls.watched() as host:
        yield window
    if host.share > most_late:
        window.disturbed = f"{host.share:.1%} of all wake-ups were late"


def own_cpu_ns() -> int:
    """CPU time of this process and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(sum(each.ru_utime + each.ru_stime for each in used) * NS_PER_S)
