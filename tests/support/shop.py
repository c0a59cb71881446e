"""The shop as the tests deploy it: every service of a topology on a target, in a lab."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.artifacts.builders.rootfs import build_workload
from harness.host.cpus import split_cpus
from harness.lab.api import LabAddress
from harness.lab.bridged import BridgedLab
from harness.probes.startup import Prober
from harness.runtime.confinement import Confinement
from harness.spec.files import read_workload
from harness.spec.service import Limits
from harness.spec.topology import launch_order, rendered
from harness.targets.api import Instance, Service, Target
from tests.support.launch import launch
from tests.support.shop_at import ShopAt
from tests.support.targets_suite import GUESTS
from tests.support.until import until

FOLDER = Path(__file__).resolve().parents[2] / "workloads" / "shop"
WORKLOAD = read_workload(FOLDER)
TOPOLOGIES = tuple(WORKLOAD.sets)
SIGNING_KEY = WORKLOAD.services["auth"].env["SHOP_SIGNING_KEY"]
VERIFY_KEY = WORKLOAD.services["payments"].env["SHOP_VERIFY_KEY"]
CPUS = split_cpus(frozenset(os.sched_getaffinity(0)), 1)

BROKER = "broker"
AGAIN = ("/bin/sh", "-c", 'while :; do "$@"; done', "again")
"""Runs a command anew whenever it ends: what has it die and come back with its files still there."""


@dataclass(slots=True)
class DeployedShop:
    """A topology that is ready, and what may be done to it."""

    at: ShopAt
    target: Target
    scratch: Path
    services: dict[str, Service]
    places: dict[str, LabAddress]
    instances: dict[str, Instance] = field(default_factory=dict)

    def launch(self, name: str) -> None:
        """Launch a service at its place."""
        folder = self.scratch / f"{name}-{len(list(self.scratch.glob(f'{name}-*')))}"
        folder.mkdir()
        self.instances[name] = launch(self.target, self.services[name], self.places[name], folder)

    def launch_anew(self, name: str) -> None:
        """Have a service die with all that it kept, and another one in its place. Returns when that one is ready."""
        self.instances[name].stop()
        with _prober(self.services[name], self.places[name], None) as prober:
            prober.go()
            self.launch(name)
            prober.result(alive=self.instances[name].alive)

    def kill(self, name: str, program: str) -> None:
        """Kill a program of a service's, as by kill -9. Returns when another one of that name runs in its place."""

        def pids() -> set[int]:
            return {each.pid for each in self.instances[name].processes() if each.name == program}

        before = pids()
        assert before, f"{program} does not run"
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: pids() - before)

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{instance.logs()[-4000:]}" for name, instance in self.instances.items())


@contextmanager
def deployed_shop(
    topology: str,
    target: Target,
    lab: BridgedLab,
    scratch: Path,
    change: Mapping[str, Callable[[Service], Service]] | None = None,
) -> Iterator[DeployedShop]:
    """For as long as the context lasts. ``change``: what is otherwise in a service of that name.

    Everything is launched in the order of the needs, and nothing is held back. A failure carries the logs.
    """
    made = WORKLOAD.sets[topology]
    order = launch_order(made, WORKLOAD.members)
    places = {name: lab.address(name) for name in order}
    ports = {name: (str(place.ip), WORKLOAD.members[name].port) for name, place in places.items()}
    services = {name: _service(name, target, ports) for name in order}
    services |= {name: alter(services[name]) for name, alter in (change or {}).items()}
    routes = {prefix: f"http://{ports[name][0]}:{ports[name][1]}" for prefix, name in made.routes.items()}
    with ExitStack() as stack:
        shop = DeployedShop(ShopAt(routes), target, scratch, services, places)
        stack.callback(shop.at.client.close)
        stack.callback(_stop, shop)
        probers = {}
        for name in order:
            probers[name] = stack.enter_context(_prober(services[name], places[name], lab.client_netns))
            probers[name].go()
            shop.launch(name)
        try:
            for name, prober in probers.items():
                prober.result(alive=shop.instances[name].alive)
            yield shop
        except BaseException as error:
            # Whatever the test fails of, pytest's own outcomes among it.
            error.add_note(shop.logs())
            raise


def _service(name: str, target: Target, ports: Mapping[str, tuple[str, int]]) -> Service:
    artifact = build_workload(FOLDER, WORKLOAD, name)
    target.prepare(artifact)
    # Emulated guests share all CPUs, or their boot takes minutes; nothing is measured here.
    cpuset = CPUS.service | CPUS.generator if target.name in GUESTS else CPUS.service
    made = Service.of(artifact, WORKLOAD.members[name], Limits(), cpuset)
    env = tuple((key, rendered(value, ports)) for key, value in made.env)
    return replace(made, name=name, env=env)


def _prober(service: Service, place: LabAddress, netns: str | None) -> Prober:
    port = service.ready.port or service.port
    return Prober(str(place.ip), port, service.ready, Confinement(netns, CPUS.generator))


def _stop(shop: DeployedShop) -> None:
    with ExitStack() as stack:
        for instance in shop.instances.values():
            stack.callback(instance.stop)
