"""Instances in regions have the distance between them, and only that: one round trip for a connect."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.lab.bridged import make_host
from harness.lab.realtime import precedence
from harness.targets.docker.target import ContainerTarget
from harness.targets.vm.target import VmTarget
from tests.support.deploy import regional_lab
from tests.support.in_regions import PORT, inside, running
from tests.support.netns_sockets import connect_ms
from tests.support.regions import CORE_CPUS, FAR, NEAR, RTT_MS, geography
from tests.support.truth import Truth
from tests.support.undisturbed import undisturbed
from tests.truth.conftest import Weigh

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_containers_and_a_process_have_the_distance(weigh: Weigh, tmp_path: Path) -> None:
    target = ContainerTarget()
    with regional_lab("regions", geography(), CORE_CPUS) as lab, ExitStack() as stack:
        home = make_host(lab.address("host", region=NEAR), stack)
        assert home is not None
        far = stack.enter_context(running(target, lab, FAR, tmp_path / "far"))
        near = stack.enter_context(running(target, lab, NEAR, tmp_path / "near"))
        ways = {
            "a process to a container far away": (home, far, RTT_MS),
            "a process to a container in its region": (home, near, 0),
            "the far client to a container": (lab.clients[FAR], near, RTT_MS),
            "a container far away to a container": (inside(far), near, RTT_MS),
            "a container to a container far away": (inside(near), far, RTT_MS),
        }

        def once() -> list[float]:
            with precedence():
                return [
                    statistics.median(connect_ms(where, str(what.address.ip), PORT) for _ in range(5))
                    for where, what, _ in ways.values()
                ]

        truths = [
            Truth(f"connect of {name}", "ms", distance_ms, distance_ms + 1.5, within=0.5)
            for name, (_, _, distance_ms) in ways.items()
        ]
        weigh(truths, once, budget_s=40, watch=undisturbed)


def test_a_machine_has_the_distance(weigh: Weigh, tmp_path: Path) -> None:
    """An emulated one takes its time to answer, so what is known is known less exactly."""
    with ExitStack() as stack:
        lab = stack.enter_context(regional_lab("regions", geography(), CORE_CPUS))
        machine = stack.enter_context(running(VmTarget(), lab, FAR, tmp_path / "vm"))

        def once() -> tuple[float, ...]:
            near, far = lab.measure_rtts({"vm": machine.address.ip}, echoes=50)
            connect = connect_ms(lab.clients[NEAR], str(machine.address.ip), PORT)
            return near.median_ms, far.median_ms, connect

        truths = (
            Truth("round trip of an echo of a machine over 80 ms", "ms", RTT_MS, RTT_MS + 5, within=1),
            Truth("round trip of an echo of a machine within a region", "ms", 0, 5, within=1),
            Truth("a connect to a machine over 80 ms", "ms", RTT_MS, RTT_MS + 10, within=2),
        )
        weigh(truths, once, budget_s=30, watch=undisturbed)
