"""The whole is the sum of its instances, and has no figure where one of them has none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.instance import Digests
from harness.records.memory import CgroupMemory, GuestMemory, MemoryView
from harness.records.window import Cpu
from harness.trial import readings
from harness.trial.arrangement import lay_out
from harness.trial.campaign_context import set_digest
from harness.trial.launch import Deployment, deploy
from tests.support.fake_instances import OTHER_DIGEST, Changed
from tests.support.fake_sets import SET, FakeProxy, SetBench, SetTarget, WideLab, digest, set_bench
from tests.support.fakes import FakeInstance

SIZES = st.integers(0, 1 << 40)
CPUS = st.builds(Cpu, cgroup_ns=st.none() | SIZES, processes_ns=SIZES, window_ns=SIZES)
GROUPS = st.builds(CgroupMemory, anon=SIZES, file=SIZES, kernel=SIZES, page_tables=SIZES, current=SIZES, peak=SIZES)
SERVICES = st.builds(
    MemoryView, pss=st.dictionaries(st.sampled_from(["app", "shim", "helper"]), SIZES), cgroup=st.none() | GROUPS
)
MACHINES = st.builds(
    MemoryView,
    pss=st.builds(lambda size: {"vmm": size}, SIZES),
    cgroup=st.none() | GROUPS,
    guest_ram_touched=st.none() | SIZES,
    emulator_cache=st.none() | SIZES,
    guest=st.none() | st.builds(GuestMemory, SIZES, SIZES),
)
VIEWS = st.lists(SERVICES | MACHINES, min_size=1, max_size=5)


@given(st.lists(CPUS, min_size=1))
def test_cpu_is_summed_and_by_groups_only_if_each_has_one(each: list[Cpu]) -> None:
    total = readings.total_cpu(each)
    assert total.processes_ns == sum(one.processes_ns for one in each)
    assert total.window_ns == max(one.window_ns for one in each)
    groups = [one.cgroup_ns for one in each]
    assert total.cgroup_ns == (None if None in groups else sum(filter(None, groups)))


@given(VIEWS)
def test_memory_is_summed_by_role(views: list[MemoryView]) -> None:
    total = readings.total_memory(views)
    assert sum(total.pss.values()) == sum(size for view in views for size in view.pss.values())
    for role, size in total.pss.items():
        assert size == sum(view.pss.get(role, 0) for view in views)


@given(VIEWS)
def test_groups_are_summed_only_if_each_has_one_and_peaks_of_different_moments_never(views: list[MemoryView]) -> None:
    total = readings.total_memory(views).cgroup
    groups = [view.cgroup for view in views if view.cgroup is not None]
    assert (total is not None) == (len(groups) == len(views))
    if total is not None:
        assert total.anon == sum(group.anon for group in groups)
        assert total.current == sum(group.current for group in groups)
        assert total.peak == (groups[0].peak if len(groups) == 1 else None)


@given(VIEWS)
def test_what_only_machines_have_is_summed_over_the_machines(views: list[MemoryView]) -> None:
    total = readings.total_memory(views)
    machines = [view for view in views if "vmm" in view.pss]
    guests = [view.guest for view in machines if view.guest is not None]
    touched = [view.guest_ram_touched for view in machines]
    caches = [view.emulator_cache for view in machines if view.emulator_cache is not None]
    summed = GuestMemory(sum(guest.total for guest in guests), sum(guest.available for guest in guests))
    assert total.guest == (summed if guests and len(guests) == len(machines) else None)
    assert total.guest_ram_touched == (sum(filter(None, touched)) if touched and None not in touched else None)
    # Not every machine is emulated.
    assert total.emulator_cache == (sum(caches) if caches else None)


@given(SERVICES)
def test_the_sum_of_one_is_itself(view: MemoryView) -> None:
    assert readings.total_memory([view]) == view


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def deployed(made: SetBench, stack: ExitStack, *, replicas: int = 1) -> Deployment:
    lab = WideLab("tare-x")
    layout = lay_out(replace(made.variant, replicas=replicas), made.setting, lab, made.path)
    return deploy(layout, made.setting, lab, made.path, stack, [])[0]


@pytest.mark.usefixtures("still_host")
def test_counters_are_of_each_instance(tmp_path: Path, stack: ExitStack) -> None:
    deployment = deployed(set_bench(tmp_path / "c"), stack)
    used = readings.Counters.read(deployment).used_until(readings.Counters.read(deployment))
    assert list(used) == ["broker", "catalog", "payments"]
    assert all(one.processes_ns > 0 and one.cgroup_ns is None for one in used.values())


def test_the_ledger_is_of_each_instance_and_their_sum(tmp_path: Path, stack: ExitStack) -> None:
    whole, each = readings.read_memory(deployed(set_bench(tmp_path / "c"), stack), {"no-such-daemon": 0})
    assert whole.pss["app"] == sum(view.pss["app"] for view in each.values())
    # The engine's growth is nobody's own.
    assert whole.engine_growth == {"no-such-daemon": 0}
    assert [view.engine_growth for view in each.values()] == [{}, {}, {}]


def test_a_set_has_the_digest_of_its_services(tmp_path: Path, stack: ExitStack) -> None:
    made = set_bench(tmp_path / "c")
    deployment = deployed(made, stack)
    each = readings.digests_of(deployment)
    expected = made.setting.digest_of(SET)
    assert readings.total_digests(deployment, each) == Digests(expected=expected, observed=expected)


@pytest.mark.parametrize("changed", ["broker", "catalog"])
def test_one_changed_tree_changes_the_digest_of_the_whole(tmp_path: Path, stack: ExitStack, changed: str) -> None:
    made = set_bench(tmp_path / "c", SetTarget({changed: Changed}))
    deployment = deployed(made, stack)
    found = readings.total_digests(deployment, readings.digests_of(deployment))
    each = {name: deployable.artifact.digest for name, deployable in made.deployables.items()}
    assert found.expected == set_digest(each)
    assert found.observed == set_digest({**each, changed: OTHER_DIGEST})


@pytest.mark.parametrize("which", [1, 2])
def test_one_changed_replica_of_several_is_enough(tmp_path: Path, stack: ExitStack, which: int) -> None:
    made = set_bench(tmp_path / "c")
    deployment = deployed(made, stack, replicas=2)
    name = "catalog" if which == 1 else "catalog-2"
    each = readings.digests_of(deployment)
    each[name] = Digests(expected=each[name].expected, observed=OTHER_DIGEST)
    found = readings.total_digests(deployment, each)
    assert found.expected == made.setting.digest_of(SET) != found.observed


@pytest.mark.parametrize("kind", [FakeInstance, Changed])
def test_a_proxy_counts_only_where_it_is_not_what_it_should_be(
    tmp_path: Path, stack: ExitStack, kind: type[FakeInstance]
) -> None:
    made = set_bench(
        tmp_path / "c", SetTarget({FakeProxy.name: kind}),
        matrix={"proxies": [FakeProxy.name]}, baseline=f"shop-fake-{FakeProxy.name}",
    )  # fmt: skip
    made.proxies[FakeProxy.name] = FakeProxy(tmp_path)
    deployment = deployed(made, stack)
    found = readings.total_digests(deployment, readings.digests_of(deployment))
    whole = made.setting.digest_of(SET)
    good = Digests(expected=whole, observed=whole)
    assert found == (good if kind is FakeInstance else Digests(expected=digest(99), observed=OTHER_DIGEST))


def test_what_instances_share_on_disk_counts_once(tmp_path: Path) -> None:
    class Machines(SetTarget):
        shared_parts = frozenset({"directory"})

    for target, expected in ((SetTarget(), 3_000_000), (Machines(), 1_000_000)):
        made = set_bench(tmp_path / str(expected), target)
        layout = lay_out(replace(made.variant, replicas=2), made.setting, WideLab("tare-x"), made.path)
        assert readings.footprint_of(layout).parts == {"directory": expected}


def test_each_daemon_is_asked_once() -> None:
    class Engine(SetTarget):
        engine_processes = ("dockerd", "containerd")

    assert readings.engine_processes([Engine(), SetTarget(), Engine()]) == ("dockerd", "containerd")


def test_the_view_from_inside_is_the_first_routed_services(tmp_path: Path, stack: ExitStack) -> None:
    target = SetTarget()
    deployment = deployed(set_bench(tmp_path / "c", target), stack)
    for name in ("broker", "catalog"):
        target.instance(name).inside = None  # type: ignore[method-assign, assignment]  # nobody may ask it
    assert readings.inside_of(deployment).devices == 10
