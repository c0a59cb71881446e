"""A point of presence spares its region's clients the distance: a whole campaign through the command line."""

from __future__ import annotations

import statistics
from itertools import count
from pathlib import Path

import pytest

from harness.clock import NS_PER_MS
from harness.store.folder import CampaignFolder
from tests.support.command import tare
from tests.support.truth import Truth
from tests.truth.conftest import Weigh

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

RTT_MS = 40.0
EXPERIMENT = """
name = "near"
question = "What does a near copy spare?"
workload = "static"
baseline = "process"
repeats = 2
settle_s = 0
prefill = 1000
[matrix]
targets = ["process"]
fronts = ["direct", "warm"]
[fronts.warm]
kind = "varnish"
warm = true
[geography]
origin = "home"
regions = { home = {}, far = {} }
links = [{ between = ["home", "far"], rtt_ms = 40 }]
[sequences.zipf]
requests = 3000
objects = 300
exponent = 1.0
[limits]
memory_mib = 256
[load]
rates_rps = [60]
warmup_s = 0.5
duration_s = 4
capacity_s = 0.2
closed_users = 2
[validity] # every trial is weighed here, paired with its block's other
min_achieved_share = 0.01
max_send_lag_ms = 60_000
max_generator_busy = 1
max_steal = 1
max_rtt_error_ms = 10_000
"""


def test_a_hit_nearby_spares_the_distance(weigh: Weigh, tmp_path: Path) -> None:
    """Far clients' median over kept connections: one round trip to the origin, and none of it for a hit nearby.

    The two ways differ in who answers as well: Varnish, or the origin's own server; each takes less than 2 ms.
    """
    numbers = count()

    def campaign() -> list[float]:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        (folder / "near.toml").write_text(EXPERIMENT, "utf-8")
        ended = tare(folder / "t", "run", folder / "near.toml", "--out", folder / "campaign")
        assert ended.code == 0, ended.err + ended.out
        opened = CampaignFolder.open(folder / "campaign")
        medians: dict[int, dict[str, float]] = {}
        for record in opened.trials():
            samples = opened.samples(record)
            wanted = samples[(samples["region"] == "far") & (samples["phase"] == "measured")]
            if record.variant.front == "warm":
                wanted = wanted[wanted["cache"] == "hit"]
            latency = (wanted["done_ns"] - wanted["intended_ns"]).median() / NS_PER_MS
            medians.setdefault(record.block, {})[record.variant.front] = latency
        return [each["direct"] - each["warm"] for each in medians.values()]

    def once() -> tuple[float]:
        return (statistics.median(campaign()),)

    weigh((Truth("what a hit nearby spares of 40 ms", "ms", RTT_MS - 2, RTT_MS + 4, within=2),), once, budget_s=100)
