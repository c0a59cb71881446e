"""Words and numbers as a person reads them. A figure is never without its interval, or without saying there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence

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


def number(value: object) -> float | None:
    """A number that JSON has: None in place of NaN, infinity and absence."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def percent(share: float, digits: int = 1) -> str:
    """``12.0 %``."""
    return f"{100 * share:.{digits}f} %"


def percents(found: Estimate, digits: int = 1) -> str:
    """``12.0 % (10.0 to 14.0)`` of shares, or ``12.0 % (one trial)``; the ends cannot leave 0 to 100."""
    if found.low is None or found.high is None:
        return f"{percent(found.median, digits)} (one trial)"
    low, high = 100 * max(found.low, 0), 100 * min(found.high, 1)
    return f"{percent(found.median, digits)} ({low:.{digits}f} to {high:.{digits}f})"


def percents_or_dash(found: Estimate | None) -> str:
    """As ``percents``, with two digits as hit ratios need them; ``-`` where there is none."""
    return "-" if found is None else percents(found, digits=2)


def points_text(found: Estimate) -> str:
    """``+0.41 (+0.38 to +0.44)`` percentage points, or ``+0.41 (one trial)``."""
    if found.low is None or found.high is None:
        return f"{found.median:+.2f} (one trial)"
    return f"{found.median:+.2f} ({found.low:+.2f} to {found.high:+.2f})"


def sentence(parts: Sequence[str]) -> str:
    """``A b; c d.``"""
    text = "; ".join(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
