"""Launches a layout as a whole, and times each instance and the whole to the first correct answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.clock import NS_PER_S, Stopwatch, now_ns
from harness.errors import DeployError, TareError
from harness.lab.bridged import Lab
from harness.probes.startup import ProbeResult
from harness.records.startup import Startup, StartupPhase
from harness.runtime.confinement import Confinement
from harness.spec.topology import SERVICE
from harness.targets.api import Instance, Staged
from harness.trial.campaign_context import CampaignContext
from harness.trial.instrument_factory import Instruments, StartupProber
from harness.trial.layout import DeploymentUnit, Layout

LOG_TAIL_LINES = 20


@dataclass(slots=True)
class Running:
    """One instance of a deployment. A replacement takes the place of ``instance``, with a stopwatch of its own."""

    place: DeploymentUnit
    instance: Instance
    watch: Stopwatch
    scratch: Path
    startup: Startup | None = None

    @property
    def name(self) -> str:
        return self.place.name


@dataclass(slots=True)
class Deployment:
    """What runs of a layout, in the order of its launch."""

    layout: Layout
    running: list[Running]

    @property
    def instances(self) -> list[Instance]:
        return [each.instance for each in self.running]

    @property
    def trigger_ns(self) -> int:
        """t0 of the whole."""
        return self.running[0].watch.trigger_ns

    def of(self, name: str) -> Running:
        return next(each for each in self.running if each.name == name)

    def dead(self) -> list[Running]:
        return [each for each in self.running if not each.instance.alive()]


@dataclass(frozen=True, slots=True)
class Asked:
    """A place that is staged, with its prober, which waits for the word."""

    place: DeploymentUnit
    prober: StartupProber
    staged: Staged
    scratch: Path


def prober_of(
    place: DeploymentUnit, tools: Instruments, lab: Lab, cpus: frozenset[int], stack: ExitStack
) -> StartupProber:
    """A prober of that place, ready to go, until ``stack`` ends. The clients of the place's own region ask."""
    at = Confinement(place.at.client or lab.client_netns, cpus)
    return stack.enter_context(
        tools.prober(place.ask, place.service.ready, at, place.way, place.target.probe_period_ns)
    )


def deploy(
    layout: Layout, setting: CampaignContext, lab: Lab, scratch: Path, stack: ExitStack, running: list[Running]
) -> tuple[Deployment, Startup]:
    """Stage every place, then start each as soon as the start before it has returned, and wait for all to answer.

    Of several the second would otherwise be staged while the first one's time runs, and the whole would pay for what no
    deployment model costs.

    An instance is not held back until what it needs is ready: machines so boot side by side, and a service must wait
    for its needs itself, as it has to when one of them is started again. Everything is entered on ``stack``;
    ``running`` is filled as it is launched, so that logs can be read when something fails. Raises DeployError or
    NotReady.
    """
    tools, cpus = setting.instruments, setting.cpus.generator
    asked: list[Asked] = []
    for place in layout.places:
        home = _home(scratch, place, layout)
        prober = prober_of(place, tools, lab, cpus, stack)
        staged = stack.enter_context(place.target.stage(place.service, place.at, home))
        asked.append(Asked(place, prober, staged, home))
    first = None
    if layout.first:
        # A prober gives no connection the time that another continent takes.
        near = Confinement(layout.client or lab.client_netns, cpus)
        first = stack.enter_context(tools.transaction(layout.first, layout.routes, near, layout.way))
    for each in asked:
        watch = Stopwatch()
        each.prober.go()
        instance = stack.enter_context(each.staged.start(watch))
        running.append(Running(each.place, instance, watch, each.scratch))
    deployment = Deployment(layout, running)
    for each, made in zip(asked, running, strict=True):
        try:
            result = each.prober.result(made.place.service.ready.timeout_s, partial(_all_alive, running))
        except TareError as error:
            attach_logs(error, [made, *deployment.dead()])
            raise
        made.startup = _startup(made, result)
    done_ns = None
    if first is not None:
        first.go()
        limit_s = max(place.service.ready.timeout_s for place in layout.places)
        try:
            done_ns = first.result(limit_s, partial(_all_alive, running)).done_ns
        except TareError as error:
            attach_logs(error, running)
            raise
    return deployment, _whole(deployment, done_ns)


def attach_logs(error: TareError, running: Iterable[Running]) -> None:
    """The last lines of these instances ride along with the failure, each once."""
    named = {each.name: each for each in running}
    for each in named.values():
        head = f"[{each.name}]\n" if len(named) > 1 or each.place.service_name != SERVICE else ""
        try:
            error.add_note(head + tail(each.instance.logs()))
        except TareError as second:
            error.add_note(f"{head}(its logs could not be read: {second.what})")


def tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LOG_TAIL_LINES:])


def _home(scratch: Path, place: DeploymentUnit, layout: Layout) -> Path:
    """The folder of an instance's files: the attempt's own where there is one instance."""
    if len(layout.places) == 1:
        return scratch
    home = scratch / place.name
    home.mkdir(exist_ok=True)
    return home


def _all_alive(running: Sequence[Running]) -> bool:
    return all(each.instance.alive() for each in running)


def _startup(made: Running, result: ProbeResult) -> Startup:
    if result.first_response_ns < made.watch.trigger_ns:
        ip, port = made.place.ask
        raise DeployError(
            f"Something else answers at {ip}:{port} already.",
            "Stop what listens there, or give the service another port.",
        )
    made.watch.stamp("listening", result.listening_ns)
    made.watch.stamp("first_response", result.first_response_ns)
    return Startup(
        trigger_ns=made.watch.trigger_ns,
        total_ns=result.first_response_ns - made.watch.trigger_ns,
        phases=tuple(StartupPhase(name=name, after_ns=after) for name, after in made.watch.phases().items()),
        attempts=result.attempts,
        resolution_ns=result.resolution_ns,
        prober_cpu_ns=result.cpu_ns,
    )


def _whole(deployment: Deployment, done_ns: int | None) -> Startup:
    """The startup of the whole: that of its one instance, or of all and the first transaction."""
    own = [(each, each.startup) for each in deployment.running if each.startup is not None]
    if len(own) == 1 and done_ns is None:
        return own[0][1]
    begin_ns = deployment.trigger_ns
    ready = sorted((startup.trigger_ns + startup.total_ns - begin_ns, each.name) for each, startup in own)
    phases = [StartupPhase(name=f"{name} ready", after_ns=after) for after, name in ready]
    if done_ns is not None:
        phases.append(StartupPhase(name="first transaction", after_ns=done_ns - begin_ns))
    return Startup(
        trigger_ns=begin_ns,
        total_ns=max(phase.after_ns for phase in phases),
        phases=tuple(phases),
        attempts=sum(startup.attempts for _, startup in own),
        resolution_ns=max(startup.resolution_ns for _, startup in own),
        prober_cpu_ns=sum(startup.prober_cpu_ns for _, startup in own),
    )


def seconds_until(deadline_ns: int) -> float:
    """Seconds from now; 0 once it has passed."""
    return max(0.0, (deadline_ns - now_ns()) / NS_PER_S)
