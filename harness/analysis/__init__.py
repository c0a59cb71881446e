"""Samples ▸ summaries, intervals, comparisons, validity, claims. Needs no Docker, libvirt or root.

>>> campaign = load("results/20261124-quickstart")  # doctest: +SKIP
>>> campaign.summaries.query("metric == 'startup_s'")  # doctest: +SKIP
"""

from __future__ import annotations

from harness.analysis.campaign import Campaign, load
from harness.analysis.claims import ClaimResult
from harness.analysis.compare import compare, differences
from harness.analysis.rules import Rule, parse_rule, regressions
from harness.analysis.show import show_json
from harness.analysis.show_text import show_tables
from harness.analysis.validity import judge

__all__ = [
    "Campaign",
    "ClaimResult",
    "Rule",
    "compare",
    "differences",
    "judge",
    "load",
    "parse_rule",
    "regressions",
    "show_json",
    "show_tables",
]
