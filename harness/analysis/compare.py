"""Two campaigns against each other: ``tare compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.analysis.comparisons import judge_ratio, noise_floor
from harness.analysis.frames import Row, frame_of
from harness.analysis.intervals import of_unpaired_ratio
from harness.analysis.selection import select
from harness.errors import SpecError
from harness.units import METRICS

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign

COMPARE_COLUMNS = {
    "variant": "str",
    "level": "str",
    "metric": "str",
    "n_a": "int64",
    "n_b": "int64",
    "ratio": "float64",
    "low": "float64",
    "high": "float64",
    "noise_floor": "float64",
    "verdict": "str",
}

_HOST_FACTS = (
    "kernel",
    "cpu_model",
    "cpus",
    "memory_total",
    "cgroup_version",
    "governor",
    "turbo",
    "smt",
    "accelerator",
)

_SHAPING = (
    "workload",
    "service",
    "placements",
    "proxies",
    "events",
    "limits",
    "load",
    "geography",
    "sequences",
    "prefill",
    "settle_s",
    "validity",
)


def differences(a: Campaign, b: Campaign) -> tuple[str, ...]:
    """What else differs between both campaigns, and so may explain a ratio instead of the change that was meant.

    Host, versions of engines, artifact, and the parts of the experiment that shape a figure. Empty: like for like.
    """
    found = [
        f"host {name}: {getattr(a.manifest.host, name)} against {getattr(b.manifest.host, name)}"
        for name in _HOST_FACTS
        if getattr(a.manifest.host, name) != getattr(b.manifest.host, name)
    ]
    first, second = a.manifest.host.engines, b.manifest.host.engines
    for engine in sorted(first.keys() | second.keys()):
        if first.get(engine) != second.get(engine):
            found.append(f"{engine}: {first.get(engine, 'absent')} against {second.get(engine, 'absent')}")
    old, new = a.manifest.artifacts, b.manifest.artifacts
    for name in sorted(old.keys() | new.keys()):
        before, after = (_short(artifacts[name].digest) if name in artifacts else "absent" for artifacts in (old, new))
        if before != after:
            found.append(f"artifact of {name}: {before} against {after}")
    for part in _SHAPING:
        if getattr(a.experiment, part) != getattr(b.experiment, part):
            found.append(f"experiment: [{part}] differs")
    return tuple(found)


def compare(a: Campaign, b: Campaign, *, strict: bool = False) -> pd.DataFrame:
    """``b`` over ``a``, per variant, level and metric that both have: unpaired, Welch's t on logarithms.

    Columns: variant, level, metric, n_a, n_b, ratio, low, high, noise_floor (the larger of both campaigns', NaN
    without an A/A pair), verdict (``worse``, ``better``, ``not resolved``, ``no interval``). What ``differences`` lists
    is for the caller to print; with ``strict`` it is refused. Raises SpecError if refused or if nothing is common.
    """
    unlike = differences(a, b)
    if strict and unlike:
        raise SpecError(
            f"The campaigns are not alike: {'; '.join(unlike)}.", "Compare campaigns of one host and experiment."
        )
    rows: list[Row] = []
    for variant in (entry for entry in a.manifest.variants if not entry.aa):
        for level in a.levels:
            first, second = _cell(a, variant.name, level), _cell(b, variant.name, level)
            for name, metric in METRICS.items():
                old, new = (cell[name].dropna().to_numpy(dtype=np.float64) for cell in (first, second))
                found = of_unpaired_ratio(new, old)
                if found is None:
                    continue
                floor = _floor(a, b, level, name)
                rows.append(
                    {
                        "variant": variant.name,
                        "level": level,
                        "metric": name,
                        "n_a": len(old),
                        "n_b": len(new),
                        "ratio": found.median,
                        "low": found.low,
                        "high": found.high,
                        "noise_floor": floor,
                        "verdict": judge_ratio(metric, found, floor),
                    }
                )
    if not rows:
        raise SpecError(
            f"{a.path} and {b.path} have no variant, level and metric in common.",
            "Compare two campaigns of one experiment that both have valid trials.",
        )
    return frame_of(rows, COMPARE_COLUMNS)


def _cell(campaign: Campaign, variant: str, level: str) -> pd.DataFrame:
    trials = campaign.counted
    return select(trials, variant=variant, level=level)


def _floor(a: Campaign, b: Campaign, level: str, metric: str) -> float | None:
    floors = [
        noise_floor(select(campaign.counted, level=level), campaign.manifest.variants, metric) for campaign in (a, b)
    ]
    return max((floor for floor in floors if floor is not None), default=None)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
