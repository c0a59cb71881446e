"""What a proxy adds to latency, as the generator sees it and as a client by hand does."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from harness.clock import NS_PER_MS
from harness.load.plan import LoadPlan, OpenLoop, Schedule, Targets, TaskSource
from harness.load.recorder import Outcome, Phase
from harness.load.runner import Generator
from harness.proxies.registry import make
from harness.runtime.confinement import Confinement
from harness.spec.route import Route
from harness.targets import registry
from tests.support import hello
from tests.support.deploy import bridged_lab
from tests.support.proxies import backend, proxied
from tests.support.truth import Truth
from tests.truth.conftest import Weigh

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

BY_HAND = 200
"""Requests over one kept connection, by http.client (tests/support/proxy_client.py)."""


def test_what_a_proxy_adds_is_the_same_for_the_generator_as_by_hand(weigh: Weigh, tmp_path: Path) -> None:
    """In pairs: each sees the service through nginx and directly, one after the other. 0 is the difference of both."""
    target = registry.make("process")
    target.prepare(hello.build())
    with ExitStack() as stack:
        lab = stack.enter_context(bridged_lab("added"))
        behind = backend(target, hello.build(), lab, "svc", tmp_path, stack)
        through = stack.enter_context(proxied(make("nginx"), target, lab, [behind], tmp_path / "proxy"))
        direct = behind.upstream

        def by_generator(host: str, port: int) -> float:
            plan = LoadPlan(
                Targets((Route("/", host, port),)),
                OpenLoop(Schedule(100, 1.5, 0.3, "constant")),
                str(tmp_path / "samples.bin"),
                TaskSource(path="/health"),
            )
            with Generator(plan, Confinement(lab.client_netns, hello.CPUS.generator), tmp_path) as generator:
                generator.wait_ready()
                generator.start()
                samples = generator.finish().samples
            kept = samples[(samples["phase"] == Phase.MEASURED) & (samples["outcome"] == Outcome.OK)]
            return float(np.median(kept["done_ns"] - kept["sent_ns"])) / NS_PER_MS

        def by_hand(at: str | None) -> float:
            answers = through.ask(*[("GET", "/health", "")] * BY_HAND, at=at)
            assert {answer[0] for answer in answers} == {200}
            return 1000 * statistics.median(float(answer[2]) for answer in answers)

        def once() -> tuple[float]:
            generator = by_generator(str(through.at.ip), through.service.port) - by_generator(direct.host, direct.port)
            return (generator - (by_hand(None) - by_hand(direct.address)),)

        truth = Truth("latency that nginx adds, by the generator less by hand", "ms", -0.3, 0.3, within=0.2)
        weigh((truth,), once, budget_s=50)
