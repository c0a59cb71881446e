"""Samples ▸ summaries, intervals, comparisons, validity; and above a campaign, claims and the answer.

Needs no Docker, libvirt or root. What it gives is imported when it is asked for: the verdict on a trial
(harness.analysis.validity) needs none of the rest.

>>> from harness.analysis import load
>>> campaign = load("results/20261124-quickstart")  # doctest: +SKIP
>>> campaign.summaries.query("metric == 'startup_s'")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign, load
    from harness.analysis.claims import ClaimResult, decide
    from harness.analysis.compare import differences
    from harness.analysis.rules import Rule, parse_rule, regressions
    from harness.analysis.validity import judge

_PLACES = {
    "Campaign": "campaign",
    "ClaimResult": "claims",
    "Rule": "rules",
    "decide": "claims",
    "differences": "compare",
    "judge": "validity",
    "load": "campaign",
    "parse_rule": "rules",
    "regressions": "rules",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


__all__ = [
    "Campaign",
    "ClaimResult",
    "Rule",
    "decide",
    "differences",
    "judge",
    "load",
    "parse_rule",
    "regressions",
]
