"""Whoever stands in regions reaches the others over the distance and not past it, and nothing is left of a lab."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.campaign.sweep import leftovers
from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.lab import forwarding, namespace
from harness.lab.bridged import links, make_host
from harness.targets.docker.target import ContainerTarget
from harness.targets.vm.target import VmTarget
from tests.support.deploy import regional_lab
from tests.support.in_regions import PORT, accepts, inside, running
from tests.support.netns_sockets import connect_ms
from tests.support.regions import CORE_CPUS, FAR, NEAR, RTT_MS, geography, lab_with_host
from tests.support.until import until

pytestmark = pytest.mark.timeout(1500)


def test_a_host_that_does_not_answer_is_named() -> None:
    with lab_with_host() as (lab, at, _), pytest.raises(DeployError, match=r"near gets no answer from nobody"):
        lab.measure_rtts({"host": at.ip, "nobody": at.ip + 7}, echoes=1)


def test_containers_and_a_process_reach_each_other_over_the_distance_only(tmp_path: Path) -> None:
    """The engine has a network of its own for each region, and keeps internal networks apart: not these.

    Never sooner than the distance, and within a region not by the backbone. How exactly: tests/truth/test_regions.py.
    """
    target = ContainerTarget()
    with regional_lab("regions", geography(), CORE_CPUS) as lab, ExitStack() as stack:
        host = lab.address("host", region=NEAR)
        home = make_host(host, stack)
        assert home is not None
        with running(target, lab, FAR, tmp_path / "far") as far, running(target, lab, NEAR, tmp_path / "near") as near:
            for where, what, distance_ms in (
                (home, far, RTT_MS),
                (home, near, 0),
                (lab.clients[FAR], near, RTT_MS),
                (inside(far), near, RTT_MS),
                (inside(near), far, RTT_MS),
            ):
                before = lab.backbone.report().packets
                assert connect_ms(where, str(what.address.ip), PORT) >= distance_ms
                assert (lab.backbone.report().packets > before) == (distance_ms > 0), (where, what.address)
            far.kill()
            far.restart(Stopwatch())
            until(lambda: accepts(far.address))
            assert connect_ms(inside(near), str(far.address.ip), PORT) >= RTT_MS
        # The engine has taken its networks away by now, with its rules for them.
        rtts = {record.region: record.median_ms for record in lab.measure_rtts({"host": host.ip}, echoes=10)}
    assert rtts[FAR] >= RTT_MS


def test_a_machine_has_its_distance_too(tmp_path: Path) -> None:
    with ExitStack() as stack:
        lab = stack.enter_context(regional_lab("regions", geography(), CORE_CPUS))
        machine = stack.enter_context(running(VmTarget(), lab, FAR, tmp_path / "vm"))
        near, far = lab.measure_rtts({"vm": machine.address.ip}, echoes=50)
        connect = connect_ms(lab.clients[NEAR], str(machine.address.ip), PORT)
    print(f"{near}\n{far}\nconnect {connect:.2f} ms")
    assert near.median_ms >= RTT_MS
    assert connect >= RTT_MS


def test_nothing_is_left_of_it() -> None:
    with lab_with_host() as (lab, _, _):
        backbone = Path(f"/proc/{lab.backbone.pid}")
        ours = links(f"tare{lab.tag}")
        assert len(ours) == 7  # a bridge, a client's and a device for each region; the host's
        assert len([name for name in forwarding.bridges_with_rule("tare") if name in ours]) == 2
    assert not backbone.exists()
    assert links(f"tare{lab.tag}") == []
    assert [name for name in namespace.names() if name.startswith(lab.prefix)] == []
    assert [name for name in forwarding.bridges_with_rule("tare") if name in ours] == []


def test_a_core_that_ends_is_told() -> None:
    with regional_lab("regions", geography()) as lab:
        os.kill(lab.backbone.pid, signal.SIGKILL)
        until(lambda: not links(f"tare{lab.tag}-t"))
        with pytest.raises(DeployError, match="backbone that joins the regions has ended"):
            lab.backbone.report()
    assert links(f"tare{lab.tag}") == []


def test_a_core_that_ended_unnoticed_fails_the_lab() -> None:
    with ExitStack() as stack:
        lab = stack.enter_context(regional_lab("regions", geography()))
        os.kill(lab.backbone.pid, signal.SIGKILL)
        with pytest.raises(DeployError, match="backbone that joins the regions has ended"):
            stack.close()
    assert links(f"tare{lab.tag}") == []


KILLED = """
import sys, time
from tests.support.deploy import regional_lab
from tests.support.regions import geography
with regional_lab("regions", geography()) as lab:
    print(lab.tag, lab.prefix, lab.backbone.pid, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_run_leaves_is_found_and_removed() -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        tag, prefix, pid = process.stdout.readline().split()
        process.kill()
    until(lambda: not Path(f"/proc/{pid}").exists())
    until(lambda: not links(f"tare{tag}-t"))
    assert links(f"tare{tag}") != []
    for found in leftovers([]):
        if f"tare{tag}" in found.name or prefix in found.name:
            found.remove()
    assert links(f"tare{tag}") == []
    assert [name for name in namespace.names() if name.startswith(prefix)] == []
    assert [bridge for bridge in forwarding.bridges_with_rule("tare") if tag in bridge] == []
