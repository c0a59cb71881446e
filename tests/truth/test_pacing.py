"""Moments that the generator waits for: how late it is, and what a miss of a paced replay costs."""

from __future__ import annotations

import os
import statistics
import textwrap
from pathlib import Path

import pytest

from harness.clock import NS_PER_MS, now_ns
from harness.load.client.connection import Activity
from harness.load.plan import LoadPlan, Replay, SequencePlan, Targets, TaskSource
from harness.load.recorder import Cache
from harness.load.runner import Generator
from harness.load.worker.pacing import Pacer
from harness.runtime.confinement import Confinement
from harness.spec.route import Route
from harness.spec.sequence import CatalogueSpec, SequenceSpec
from tests.support.truth import Truth
from tests.support.undisturbed import undisturbed
from tests.support.web import Asked, reply, service
from tests.truth.conftest import Weigh

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_the_pacer_returns_at_its_moment(weigh: Weigh) -> None:
    """Late by a turn of the loop at most, which is some microseconds."""

    def once() -> tuple[float]:
        pacer, late_ns = Pacer(Activity()), []
        for _ in range(20):
            moment = now_ns() + 5 * NS_PER_MS
            pacer.wait_until(moment)
            late_ns.append(now_ns() - moment)
            pacer.rest()
        return (statistics.median(late_ns) / NS_PER_MS,)

    weigh((Truth("how late the pacer is", "ms", 0, 0.1, within=0.05),), once, budget_s=10, watch=undisturbed)


SOURCE = """
    from locust import task
    from harness.load import HttpUser

    class Shelf(HttpUser):
        object_task = "book"

        @task
        def book(self):
            number, size = self.wanted()
            self.client.get(f"/{number}")
"""
SEQUENCE = SequencePlan(CatalogueSpec(objects=40), SequenceSpec(requests=200, objects=40, exponent=0.7, seed=3), 0)
BODY = "x" * 20
RATE = 2000.0
"""Bytes/s that misses are paid for at: 10 ms for each body."""


def shelf(asked: Asked) -> bytes:
    """Every other object is missed."""
    word = b"miss" if int(asked.target[1:]) % 2 else b"hit"
    return reply(200, BODY).replace(b"\r\n", b"\r\nX-Cache: " + word + b"\r\n", 1)


def test_misses_of_a_paced_replay_are_paid_for_and_hits_wait_for_nobody(weigh: Weigh, tmp_path: Path) -> None:
    """20 bytes at 2,000 bytes/s are 10 ms from an answer to the next request, and after a hit there is no pause."""
    locustfile = tmp_path / "locustfile.py"
    locustfile.write_text(textwrap.dedent(SOURCE))

    def once() -> tuple[float, float]:
        with service(shelf) as one:
            plan = LoadPlan(
                Targets((Route("/", "127.0.0.1", one.port),)),
                Replay(SEQUENCE, requests=100, miss_bytes_per_s=RATE),
                str(tmp_path / "samples.bin"),
                TaskSource(str(locustfile)),
                outcome_header=("x-cache", (("hit", "hit"), ("miss", "miss"))),
            )
            here = Confinement(None, frozenset({max(os.sched_getaffinity(0))}))
            with Generator(plan, here, tmp_path) as running:
                running.wait_ready()
                running.prepare()
                running.start()
                samples = running.finish().samples
        gaps_ms = (samples["sent_ns"][1:] - samples["done_ns"][:-1]) / NS_PER_MS
        after_miss = samples["cache"][:-1] == Cache.MISS
        return statistics.median(gaps_ms[after_miss]), statistics.median(gaps_ms[~after_miss])

    truths = (
        Truth("pause after a miss that costs 10 ms", "ms", 9.5, 12, within=1),
        Truth("pause after a hit", "ms", 0, 1, within=0.5),
    )
    weigh(truths, once, budget_s=30, watch=undisturbed)
