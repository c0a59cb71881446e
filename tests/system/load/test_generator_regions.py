"""Clients in several network namespaces, each with services of its own on its own loopback interface. Needs root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.clock import NS_PER_S, sleep_until_ns
from harness.errors import LoadError
from harness.lab import namespace
from harness.load.calibration.calibrate import null_service
from harness.load.plan import LoadPlan, OpenLoop, RegionPlan, Schedule, Targets
from harness.load.plan.arrivals import region_choices
from harness.load.recorder import Outcome, read_run
from harness.load.runner import Generator
from harness.spec.route import Route
from tests.system.load.test_generator import HERE, SERVICE

NAMES = ("tare-test-load-a", "tare-test-load-b")


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    for name in NAMES:
        namespace.create(name)
    try:
        for name in NAMES:
            subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield NAMES
    finally:
        for name in NAMES:
            namespace.remove(name)


def to(port: int) -> tuple[Route, ...]:
    return (Route("/", "127.0.0.1", port),)


def plan_for(
    folder: Path, *regions: RegionPlan, duration_s: float = 1.0, seed: int = 1, failover_s: float = 5.0
) -> LoadPlan:
    targets = Targets(regions[0].entries[0], regions=regions, failover_s=failover_s)
    return LoadPlan(targets, OpenLoop(Schedule(200, duration_s, 0.3)), str(folder / "samples.bin"), seed=seed)


@contextmanager
def service_in(name: str, port: int) -> Iterator[psutil.Process]:
    """A service at that port of the namespace, where all of them are free."""
    before = psutil.Process().children()
    with null_service("127.0.0.1", replace(SERVICE, netns=name), port=port):
        (process,) = set(psutil.Process().children()) - set(before)
        yield process


def test_every_region_asks_from_its_own_namespace(namespaces: tuple[str, str], tmp_path: Path) -> None:
    one, other = namespaces
    with service_in(one, 8001), service_in(other, 8002):
        plan = plan_for(
            tmp_path, RegionPlan("near", 3.0, one, (to(8001),)), RegionPlan("far", 1.0, other, (to(8002),)), seed=4
        )
        with Generator(plan, HERE, tmp_path) as running:
            running.wait_ready()
            own = Path(f"/proc/{running.pid}/ns/net").stat().st_ino
            running.start()
            result = running.finish()
    assert own == Path("/proc/self/ns/net").stat().st_ino
    assert result.scheduled == result.completed > 100
    assert result.regions == ("near", "far")
    order = np.argsort(result.samples["intended_ns"], kind="stable")
    drawn = region_choices(len(order), [3.0, 1.0], 4)
    assert result.samples["region"][order].tolist() == drawn.tolist()


def test_a_place_of_another_namespace_is_not_there(namespaces: tuple[str, str], tmp_path: Path) -> None:
    one, other = namespaces
    with service_in(one, 8001), service_in(other, 8002):
        plan = plan_for(
            tmp_path, RegionPlan("near", 1.0, one, (to(8002),)), RegionPlan("far", 1.0, other, (to(8001),)),
            duration_s=0.3,
        )  # fmt: skip
        with Generator(plan, HERE, tmp_path) as running:
            running.wait_ready()
            running.start()
            result = running.finish()
    assert (result.completed, result.errors) == (0, result.scheduled)


def test_clients_of_a_dead_entry_go_to_the_next_and_come_back(namespaces: tuple[str, str], tmp_path: Path) -> None:
    one, other = namespaces
    with service_in(one, 8001) as nearest, service_in(one, 8002), service_in(other, 8003):
        near = RegionPlan("near", 1.0, one, (to(8001), to(8002)))
        far = RegionPlan("far", 1.0, other, (to(8003),))
        plan = plan_for(tmp_path, near, far, duration_s=3.0, failover_s=0.6)
        with Generator(plan, HERE, tmp_path) as running:
            running.wait_ready()
            windows = running.start()
            killed = windows.window_begin_ns + NS_PER_S
            sleep_until_ns(killed)
            nearest.kill()
            result = running.finish()
    failed = result.samples[result.samples["outcome"] == Outcome.ERROR]
    assert set(failed["region"]) == {0}
    assert len(failed) > 0
    # While the nearest is dead all the time, the next one answers, and the nearest is tried again.
    near_ones = np.sort(result.samples[result.samples["region"] == 0], order="done_ns")
    after = near_ones[near_ones["done_ns"] > failed["done_ns"].min()]
    answered = np.flatnonzero(after["outcome"] == Outcome.OK)
    assert len(answered) > 0
    assert (after["outcome"][answered[0] :] == Outcome.ERROR).any()
    assert result.completed == result.scheduled - len(failed)


def test_a_namespace_that_is_not_there_is_told(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, RegionPlan("near", 1.0, "tare-test-none", (to(1),)))
    with Generator(plan, HERE, tmp_path) as running, pytest.raises(LoadError) as caught:
        running.wait_ready()
    assert "tare-test-none" in caught.value.what


def test_the_sidecar_names_the_regions(namespaces: tuple[str, str], tmp_path: Path) -> None:
    with service_in(namespaces[0], 8001):
        plan = plan_for(tmp_path, RegionPlan("near", 1.0, namespaces[0], (to(8001),)), duration_s=0.2)
        with Generator(plan, HERE, tmp_path) as running:
            running.wait_ready()
            running.start()
            running.finish()
    assert '"regions": [\n  "near"\n ]' in (tmp_path / "samples.bin.json").read_text()
    assert len(read_run(Path(plan.samples))[0]) > 0
