"""``tare compare --fail-on``: which differences between two campaigns make it fail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from harness.analysis.comparisons import BETTER, WORSE
from harness.errors import SpecError
from harness.units import METRICS

ANY = "worse"
_RULE = re.compile(r"^\s*([a-z0-9_]+)\s*([<>])\s*([+-]?\d+(?:\.\d+)?)\s*%\s*$")


@dataclass(frozen=True, slots=True)
class Rule:
    """``metric`` must not rise (``falls``: fall) by more than ``percent``. ``metric`` None: nothing may get worse."""

    text: str
    metric: str | None = None
    percent: float = 0.0
    falls: bool = False

    def broken_by(self, metric: str, ratio: float, verdict: str) -> bool:
        """Whether this resolved change breaks the rule. A change that is not resolved breaks none."""
        if self.metric is None:
            return verdict == WORSE
        if metric != self.metric or verdict not in (WORSE, BETTER):
            return False
        change = (ratio - 1) * 100
        return change < self.percent if self.falls else change > self.percent


def parse_rule(text: str) -> Rule:
    """``latency_p99_ms>5%`` (a rise), ``achieved_rps<-5%`` (a fall), or ``worse`` (whatever is resolved as worse).

    Raises SpecError for anything else, with the form or the known metrics.
    """
    if text.strip() == ANY:
        return Rule(ANY)
    match = _RULE.match(text)
    if match is None:
        raise SpecError(
            f"--fail-on {text!r} is not a rule.",
            "Write METRIC>PERCENT% for a rise, METRIC<-PERCENT% for a fall, or worse; e.g. 'latency_p99_ms>5%'.",
        )
    name, sign, percent = match[1], match[2], float(match[3])
    if name not in METRICS:
        raise SpecError(f"--fail-on {text!r}: there is no metric {name!r}.", f"Known: {', '.join(METRICS)}.")
    if (sign == ">" and percent < 0) or (sign == "<" and percent > 0):
        raise SpecError(
            f"--fail-on {text!r}: the sign does not fit.",
            f"A rise is {name}>{abs(percent):g}%, a fall is {name}<-{abs(percent):g}%.",
        )
    return Rule(text.strip(), name, percent, falls=sign == "<")


def regressions(frame: pd.DataFrame, fail_on: Sequence[Rule]) -> pd.DataFrame:
    """The rows of ``compare``'s frame that break a rule, with a column ``rule``. Empty: nothing regressed."""
    broken, texts = [], []
    for index, metric, ratio, verdict in zip(
        frame.index, frame["metric"], frame["ratio"], frame["verdict"], strict=True
    ):
        rule = next((rule for rule in fail_on if rule.broken_by(str(metric), float(ratio), str(verdict))), None)
        if rule is not None:
            broken.append(index)
            texts.append(rule.text)
    return frame.loc[broken].assign(rule=pd.Series(texts, index=broken, dtype="str"))
