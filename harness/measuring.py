"""What one attempt at a trial measures, in the order in which it happens."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness import clock as clocks
from harness.clock import NS_PER_S
from harness.deployment import checks, load_plan, reading
from harness.deployment.deploy import Deployment, Running, attach_logs, deploy
from harness.deployment.happening import Stage, happen
from harness.deployment.layout import lay_out
from harness.deployment.places import Layout
from harness.deployment.setting import Setting
from harness.errors import DeployError, LoadError, TareError
from harness.instruments import LoadGenerator
from harness.lab.bridged import Lab
from harness.lab.regional import RegionalLab
from harness.load.confinement import Confinement
from harness.load.plan import ClosedLoop, OpenLoop, Ramp, Replay, Windows
from harness.load.result import LoadResult
from harness.plan import Demand, PlannedTrial
from harness.probes import exchanges, memory
from harness.spec.route import Way
from harness.store.cdn_records import CacheRecord, CoreRecord, OriginCount, ReplayRecord, RttRecord
from harness.store.records import (
    Capacity,
    Cpu,
    Digests,
    EventRecord,
    Failure,
    Inside,
    InstanceRecord,
    LoadFacts,
    MemoryView,
    Noise,
    Startup,
)


@dataclass(slots=True)
class Findings:
    """What one attempt has measured so far."""

    footprint: dict[str, int] = field(default_factory=dict)
    running: list[Running] = field(default_factory=list)
    startup: Startup | None = None
    memory_idle: MemoryView | None = None
    memory_load: MemoryView | None = None
    idle_of: dict[str, MemoryView] = field(default_factory=dict)
    load_of: dict[str, MemoryView] = field(default_factory=dict)
    inside: Inside | None = None
    responses: dict[str, str] = field(default_factory=dict)
    cpu: Cpu | None = None
    cpu_of: dict[str, Cpu] = field(default_factory=dict)
    noise: Noise | None = None
    load: LoadFacts | None = None
    capacity: Capacity | None = None
    digests: Digests | None = None
    digests_of: dict[str, Digests] = field(default_factory=dict)
    events: list[EventRecord] = field(default_factory=list)
    served: dict[str, int] = field(default_factory=dict)
    path_checks: dict[str, str] = field(default_factory=dict)
    propagation_ms: tuple[float, ...] = ()
    rtts: tuple[RttRecord, ...] = ()
    core: CoreRecord | None = None
    origin: OriginCount | None = None
    caches: tuple[CacheRecord, ...] = ()
    replay: ReplayRecord | None = None
    outcome: LoadResult | None = None
    failure: Failure | None = None

    def failed(self, failure: Failure) -> None:
        """Of several failures the first is the one that counts; later ones are a line of its logs."""
        if self.failure is None:
            self.failure = failure
            return
        logs = f"{self.failure.logs}\nthen: {failure.what}".strip()
        self.failure = self.failure.model_copy(update={"logs": logs})

    @property
    def accelerator(self) -> str:
        """What executed guests' instructions, if there was a guest: emulation, wherever it was, is what shows."""
        kinds = {run.instance.accelerator for run in self.running}
        return next((kind for kind in ("tcg", "kvm") if kind in kinds), "none")

    @property
    def limits_enforced(self) -> bool:
        return all(run.instance.limits_enforced for run in self.running)

    def instances(self) -> tuple[InstanceRecord, ...]:
        """What is known of each instance, in the order of their launch."""
        # A replacement has a stopwatch of its own; the startup stays that of the deployment.
        asked_ns = [run.startup.trigger_ns if run.startup else run.watch.trigger_ns for run in self.running]
        return tuple(self._instance(run, at - asked_ns[0]) for run, at in zip(self.running, asked_ns, strict=True))

    def _instance(self, run: Running, after_ns: int) -> InstanceRecord:
        return InstanceRecord(
            name=run.name,
            service=run.place.service_name,
            role=run.place.role,
            target=run.place.target.name,
            accelerator=run.instance.accelerator,
            limits_enforced=run.instance.limits_enforced,
            trigger_after_ns=after_ns,
            startup=run.startup,
            memory_idle=self.idle_of.get(run.name),
            memory_load=self.load_of.get(run.name),
            cpu=self.cpu_of.get(run.name),
            digests=self.digests_of.get(run.name),
        )


def measure(
    planned: PlannedTrial,
    demand: Demand,
    setting: Setting,
    scratch: Path,
    stack: ExitStack,
    found: Findings,
) -> None:
    """Fill ``found`` as it is measured, so that a failure keeps what came before it.

    Everything that is made is entered on ``stack``. Raises TareError, or OSError where the host refuses.
    """
    tools, cpus = setting.instruments, setting.cpus
    prefix = f"tare-{setting.folder.manifest.tag}-{scratch.name}"
    lab = stack.enter_context(tools.lab(prefix, setting.experiment.geography, cpus.generator))
    layout = lay_out(planned.variant, setting, lab, scratch)
    for name, text in layout.files.items():
        (scratch / name).write_text(text, "utf-8")
    found.footprint = reading.footprint_of(layout)
    found.caches = layout.caches
    plan = load_plan.load_plan(planned, demand, setting, layout, scratch)
    client = Confinement(lab.client_netns, cpus.generator)
    generator = stack.enter_context(tools.generator(plan, client, scratch))
    generator.wait_ready()
    engine_before = memory.engine_memory(reading.engine_processes(place.target for place in layout.places))
    deployment, found.startup = deploy(layout, setting, lab, scratch, stack, found.running)
    try:
        found.path_checks = checks.close_paths(layout, lab)
        if planned.kind == "measured":
            if isinstance(lab, RegionalLab):
                found.rtts = lab.measure_rtts({place.name: place.at.ip for place in layout.places})
            time.sleep(setting.experiment.settle_s)
            found.memory_idle, found.idle_of = reading.read_memory(deployment, engine_before)
            found.inside = reading.inside_of(deployment)
            found.responses = _exchange(setting, layout, lab)
        generator.prepare()
        before = checks.origin_count(layout, lab) if planned.kind == "measured" else None
        match plan.load:
            case OpenLoop() as load:
                windows = generator.start()
                _window(windows, deployment, engine_before, found)
                # Before anything happens: a replica that was down has served less, and a service that was replaced is
                # told its old events again.
                found.served = checks.served(planned.variant, setting, deployment)
                found.propagation_ms = checks.propagation(layout, lab)
                begin_ns = windows.window_end_ns + round(load_plan.TAIL_S * NS_PER_S)
                stage = Stage(deployment, setting, lab, stack)
                happen(setting.experiment.events_of(planned.variant), begin_ns, stage, found.events)
                outcome = _finish(generator, deployment, found)
                found.load = _facts(outcome, load.schedule.rate_rps, windows)
            case ClosedLoop():
                generator.start()
                _finish(generator, deployment, found)
            case Replay() as load:
                outcome = _replay(generator, deployment, engine_before, found)
                found.load = _facts(outcome, 0.0, outcome.windows)
                found.replay = _replay_record(planned.level_name, load, outcome.windows)
                found.served = checks.served(planned.variant, setting, deployment)
            case Ramp():
                raise LoadError("No trial is a ramp.", "Run the experiment again from its file.")
        found.origin = _counted(layout, lab, before, found)
        if isinstance(lab, RegionalLab):
            found.core = lab.core.report()
        found.digests_of = reading.digests_of(deployment)
        found.digests = reading.total_digests(deployment, found.digests_of)
    except TareError as error:
        attach_logs(error, deployment.dead() or deployment.running)
        raise


def _exchange(setting: Setting, layout: Layout, lab: Lab) -> dict[str, str]:
    """What the service answers to the workload's fixed requests. Raises LoadError for a status that is not expected.

    Caches are passed by, so that they know nothing before the load.
    """
    wanted = setting.exchanges
    asked = [(exchange.method, exchange.path, exchange.body) for exchange in wanted]
    way, routes = (Way(), layout.direct) if layout.caches else (layout.way, layout.routes)
    answers = exchanges.ask(asked, routes, lab.client_netns, tls_ca=way.tls_ca, proxy=way.proxy)
    for exchange in wanted:
        status, _ = answers[f"{exchange.method} {exchange.path}"]
        if status != exchange.status:
            raise LoadError(
                f"{exchange.method} {exchange.path} was answered with status {status}, expected {exchange.status}.",
                "Correct the service, or the exchanges in its workload.toml.",
            )
    return {key: f"{status} {digest}" for key, (status, digest) in answers.items()}


def _window(
    windows: Windows,
    deployment: Deployment,
    engine_before: dict[str, int],
    found: Findings,
) -> None:
    """Read the counters at both ends of the measured window, and the memory right after it."""
    clocks.sleep_until_ns(windows.window_begin_ns)
    before = reading.Counters.read(deployment)
    clocks.sleep_until_ns(windows.window_end_ns)
    after = reading.Counters.read(deployment)
    found.memory_load, found.load_of = reading.read_memory(deployment, engine_before)
    found.noise = before.noise_until(after)
    found.cpu_of = before.used_until(after)
    found.cpu = reading.total_cpu(found.cpu_of.values())


def _replay(
    generator: LoadGenerator,
    deployment: Deployment,
    engine_before: dict[str, int],
    found: Findings,
) -> LoadResult:
    """A load without a schedule: it ends when it is through, and the caches are then as full as they get.

    The host's noise is that of all of it. CPU time is not told: what there is would be the warm-up's, too.
    """
    before = reading.Counters.read(deployment)
    generator.start()
    outcome = _finish(generator, deployment, found)
    found.noise = before.noise_until(reading.Counters.read(deployment))
    found.memory_load, found.load_of = reading.read_memory(deployment, engine_before)
    return outcome


def _replay_record(sequence: str, load: Replay, windows: Windows) -> ReplayRecord:
    return ReplayRecord(
        sequence=sequence,
        requests=load.requests,
        warmup=load.warmup,
        window_begin_ns=windows.window_begin_ns,
        window_end_ns=windows.window_end_ns,
        miss_bytes_per_s=load.miss_bytes_per_s,
    )


def _counted(layout: Layout, lab: Lab, before: OriginCount | None, found: Findings) -> OriginCount | None:
    """What the origin counted of the load; None if something happened to it, which made it forget."""
    path = layout.topology.counter
    if path is None or before is None:
        return None
    origin = {place.name for place in layout.places_of(layout.topology.route_of(path))}
    if any(event.instance in origin for event in found.events):
        return None
    return checks.since(before, checks.origin_count(layout, lab))


def _finish(generator: LoadGenerator, deployment: Deployment, found: Findings) -> LoadResult:
    """Wait for the generator's end. Raises DeployError if an instance ended that no event had ended."""
    outcome = found.outcome = generator.finish()
    wanted = {event.instance for event in found.events if event.recovered_ns is None}
    if dead := [run.name for run in deployment.dead() if run.name not in wanted]:
        who = f" {dead[0]}" if len(deployment.running) > 1 else ""
        raise DeployError(
            f"The service{who} ended under load.",
            "Look at the instance's logs; give it more memory under [limits].",
        )
    if outcome.capacity is not None:
        count = outcome.capacity
        found.capacity = Capacity(
            users=count.users, completed=count.completed, errors=count.errors, window_ns=count.window_ns
        )
    return outcome


def _facts(outcome: LoadResult, rate_rps: float, windows: Windows) -> LoadFacts:
    return LoadFacts(
        target_rps=rate_rps,
        window_begin_ns=windows.window_begin_ns,
        window_end_ns=windows.window_end_ns,
        scheduled=outcome.scheduled,
        completed=outcome.completed,
        dropped=outcome.dropped,
        errors=outcome.errors,
        unexpected=outcome.unexpected,
        send_lag_p99_ns=outcome.send_lag_p99_ns,
        generator_busy=outcome.generator_busy,
    )
