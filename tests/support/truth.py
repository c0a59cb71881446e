"""One way to judge a measured figure whose true value is known, whatever the speed of the host.

A measurement is repeated until its interval is as narrow as wanted, or until its time is over. Then there are three
outcomes: the figure *agrees* with what is known, it *differs*, or this host gave *not enough precision* to tell.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum

from harness.analysis.intervals import Estimate, of_trials

LEAST = 6
"""Measurements before an interval counts as narrow: a few values may be near each other by chance."""

LOOKS_APART = 1.25
"""By how much more measurements there are at the next look whether the interval is narrow: who looks after each one
ends too often where it is so by chance, and of skewed figures 8.8 % of such intervals missed the truth, not 5."""


class Verdict(StrEnum):
    """What came out."""

    AGREES = "agrees"
    DIFFERS = "differs"
    IMPRECISE = "not enough precision on this host"


@dataclass(frozen=True, slots=True)
class Truth:
    """A figure that is known to lie between ``low`` and ``high``, in ``unit``.

    The two are equal where the value itself is known; an upper bound has an infinite ``low``. ``within`` is the wanted
    precision: the half width that the 95 % interval may have at most.
    """

    name: str
    unit: str
    low: float
    high: float
    within: float

    @property
    def known(self) -> str:
        """The known value as text."""
        if math.isinf(self.low):
            return f"at most {self.high:g}"
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A truth, what was measured of it, and the verdict. ``left_out``: measurements that the host disturbed.

    Where all were left out, ``estimate`` is theirs, for the reader alone.
    """

    truth: Truth
    estimate: Estimate
    verdict: Verdict
    left_out: int

    @property
    def figure(self) -> str:
        """The figure with its interval."""
        found = self.estimate
        interval = "no interval" if found.low is None else f"{found.low:.4g} to {found.high:.4g}"
        return f"{found.median:.4g} {self.truth.unit}".rstrip() + f" ({interval})"

    def __str__(self) -> str:
        left_out = f", {self.left_out} left out" if self.left_out else ""
        return (
            f"{self.truth.name}: {self.figure}, n = {self.estimate.n}{left_out}; "
            f"known: {self.truth.known}, wanted to {self.truth.within:g}: {self.verdict}"
        )


def judge(truth: Truth, estimate: Estimate) -> Verdict:
    """DIFFERS where the interval excludes what is known, however wide it is; AGREES where it does not and is narrow.

    Without an interval nothing is excluded, and nothing shown.
    """
    if estimate.low is None or estimate.high is None:
        return Verdict.IMPRECISE
    if estimate.high < truth.low or estimate.low > truth.high:
        return Verdict.DIFFERS
    return Verdict.AGREES if is_narrow(truth, estimate) else Verdict.IMPRECISE


def is_narrow(truth: Truth, estimate: Estimate) -> bool:
    """Whether the interval is as narrow as wanted, and of enough measurements to say so."""
    if estimate.n < LEAST or estimate.low is None or estimate.high is None:
        return False
    return (estimate.high - estimate.low) / 2 <= truth.within


Figures = Sequence[float]
"""Of one measurement: a figure for each truth, in their order."""


@dataclass(slots=True)
class Window:
    """A measurement's time. ``disturbed`` says what the host's own counters saw in it, "" for nothing."""

    disturbed: str = ""


@contextmanager
def unwatched() -> Iterator[Window]:
    """For measurements in pairs, where what disturbs one side disturbs the other: none is left out."""
    yield Window()


def measure(
    truths: Sequence[Truth],
    once: Callable[[], Figures],
    budget_s: float,
    watch: Callable[[], AbstractContextManager[Window]] = unwatched,
    now_s: Callable[[], float] = time.monotonic,
) -> list[Judged]:
    """Measure until every truth's interval is narrow, or until ``budget_s`` are over, and at least once; and judge.

    When it ends depends on the intervals' widths and the time alone, never on where they lie. What ``watch`` calls
    disturbed is left out before anybody has looked at its figures.
    """
    kept: list[Figures] = []
    left_out: list[Figures] = []
    end_s, look = now_s() + budget_s, LEAST
    while True:
        with watch() as window:
            figures = once()
        assert len(figures) == len(truths)
        (left_out if window.disturbed else kept).append(figures)
        late, enough = now_s() >= end_s, len(kept) >= look
        if not late and not enough:
            continue
        estimates = [of_trials([each[place] for each in kept or left_out]) for place in range(len(truths))]
        if late or all(map(is_narrow, truths, estimates)):
            break
        look = math.ceil(look * LOOKS_APART)
    return [
        Judged(truth, estimate, judge(truth, estimate) if kept else Verdict.IMPRECISE, len(left_out))
        for truth, estimate in zip(truths, estimates, strict=True)
    ]
