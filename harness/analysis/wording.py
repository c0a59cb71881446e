"""Figures as a person reads them: never without their interval, or without saying that there is none."""

from __future__ import annotations

from harness.analysis.comparisons import NOT_RESOLVED
from harness.analysis.intervals import Estimate
from harness.units import Metric


def figure(metric: Metric, found: Estimate) -> str:
    """``0.42 s (0.40 to 0.44)``, or ``0.42 s (one trial)``."""
    if found.low is None or found.high is None:
        return f"{metric.text(found.median)} (one trial)"
    digits = metric.digits
    return f"{metric.text(found.median)} ({found.low:,.{digits}f} to {found.high:,.{digits}f})"


def factor(found: Estimate, verdict: str = "") -> str:
    """``2.10x (1.90x to 2.40x)``, with ``, not resolved`` before the bracket if so; or ``2.10x (one pair)``."""
    if found.low is None or found.high is None:
        return f"{times(found.median)} (one pair)"
    unresolved = f", {NOT_RESOLVED}" if verdict == NOT_RESOLVED else ""
    return f"{times(found.median)} ({times(found.low)} to {times(found.high)}{unresolved})"


def added(found: Estimate, verdict: str = "") -> str:
    """``+0.41 ms (0.38 to 0.44)``, with ``, not resolved`` in the bracket if so; or ``+0.41 ms (one pair)``."""
    if found.low is None or found.high is None:
        return f"{found.median:+.3f} ms (one pair)"
    unresolved = f", {NOT_RESOLVED}" if verdict == NOT_RESOLVED else ""
    return f"{found.median:+.3f} ms ({found.low:+.3f} to {found.high:+.3f}{unresolved})"


def times(ratio: float) -> str:
    """A ratio with as many digits as it deserves: 0.0123x, 1.05x, 23.4x, 1,234x."""
    digits = 4 if ratio < 0.1 else 2 if ratio < 10 else 1 if ratio < 100 else 0
    return f"{ratio:,.{digits}f}\N{MULTIPLICATION SIGN}"
