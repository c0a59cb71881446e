"""Sentences made from figures. No finding in the report is written by hand."""

from __future__ import annotations

import pandas as pd

from harness.analysis.formatting import times
from harness.analysis.selection import select
from harness.units import METRICS, Metric
from reports.blocks import sentence_list
from reports.charts.compare import RESOLVED
from reports.frames import Range, rows
from reports.labels import MANY_VARIANTS, Look


def interval_text(total: Range, about: Metric) -> str:
    """``1.200 to 1.300``, or ``no interval`` where there are too few trials for one."""
    if total.low is None or total.high is None:
        return "no interval"
    return f"{total.low:,.{about.digits}f} to {total.high:,.{about.digits}f}"


def ratio_text(ratio: Range, baseline: str) -> str:
    """The ratio, what it is a multiple of, and its interval where it has one."""
    known = "" if ratio.low is None or ratio.high is None else f" ({times(ratio.low)} to {times(ratio.high)})"
    return f"{times(ratio.median)} {baseline}{known}"


def finding(summaries: pd.DataFrame, comparisons: pd.DataFrame, name: str, baseline: str, look: Look) -> list[str]:
    """A sentence per load level: each variant's median, and its ratio to the baseline; none where unmeasured."""
    own = summaries[(summaries["metric"] == name) & summaries["median"].notna()]
    several = own["level"].nunique() > 1
    sentences = []
    for level in dict.fromkeys(own["level"]):
        at = select(own, level=level)
        compared = select(comparisons, metric=name, level=level)
        shown, rest = _shown(at, _first(baseline, look.present(at)))
        parts = [_part(variant, at, compared, name, baseline, look) for variant in shown]
        parts += [f"{rest} others lie between the last two"] if rest else []
        where = f" at {level}" if several else ""
        sentences.append(f"{METRICS[name].title}{where}: {sentence_list(parts)}.")
    return sentences


def _shown(at: pd.DataFrame, names: list[str]) -> tuple[list[str], int]:
    """Of many variants the first (the baseline), and the smallest and the largest of the others; how many are left."""
    if len(names) <= MANY_VARIANTS:
        return names, 0
    medians = at.set_index("variant")["median"]
    others = sorted(names[1:], key=lambda name: float(medians[name]))
    return [names[0], others[0], others[-1]], len(others) - 2


def _first(baseline: str, names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: name != baseline)


def _part(
    variant: str, summaries: pd.DataFrame, comparisons: pd.DataFrame, name: str, baseline: str, look: Look
) -> str:
    """One variant: its median, and how it compares."""
    row = rows(select(summaries, variant=variant))[0]
    text = f"{look.label(variant)} {METRICS[name].text(float(row['median']))}"
    compared = comparisons[(comparisons["variant"] == variant) & comparisons["ratio"].notna()]
    if variant == baseline or compared.empty:
        return text
    against = rows(compared)[0]
    tail = "" if against["verdict"] in RESOLVED else f", {against['verdict']}"
    return f"{text}, {ratio_text(Range.of(against, 'ratio'), look.label(str(against['baseline'])))}{tail}"


def short(name: str) -> str:
    """A metric's title without its explanation in brackets."""
    return METRICS[name].title.partition(" (")[0] if name in METRICS else name
