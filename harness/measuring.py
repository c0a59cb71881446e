"""What one attempt at a trial measures, in the order in which it happens."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness import clock as clocks
from harness.clock import Stopwatch
from harness.errors import DeployError, LoadError, TareError
from harness.host.cpus import CpuSplit
from harness.host.noise import NoiseCounters
from harness.instruments import Instruments, LoadGenerator, StartupProber
from harness.lab.bridged import Lab
from harness.load.plan import LoadPlan
from harness.load.result import LoadResult
from harness.plan import PlannedTrial
from harness.probes import cpu, exchanges, memory
from harness.spec.experiment import Experiment
from harness.spec.route import Route
from harness.spec.service import Exchange
from harness.store.folder import CampaignFolder
from harness.store.records import (
    Capacity,
    Cpu,
    Digests,
    Failure,
    Inside,
    LoadFacts,
    MemoryView,
    Noise,
    Phase,
    Startup,
)
from harness.targets.api import InsideView, Instance, Service, Target

TAIL_S = 2.0
"""The load goes on so long after the window, and memory under load is read meanwhile."""

LOG_TAIL_LINES = 20
SAMPLES = "samples.bin"
"""The generator's file in the attempt's folder."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What stays the same for every trial of a campaign."""

    experiment: Experiment
    service: Service
    targets: Mapping[str, Target]
    exchanges: tuple[Exchange, ...]
    locustfile: Path | None
    cpus: CpuSplit
    folder: CampaignFolder
    instruments: Instruments


@dataclass(slots=True)
class Findings:
    """What one attempt has measured so far."""

    accelerator: str = "none"
    limits_enforced: bool = True
    footprint: dict[str, int] = field(default_factory=dict)
    startup: Startup | None = None
    memory_idle: MemoryView | None = None
    memory_load: MemoryView | None = None
    inside: Inside | None = None
    responses: dict[str, str] = field(default_factory=dict)
    cpu: Cpu | None = None
    noise: Noise | None = None
    load: LoadFacts | None = None
    capacity: Capacity | None = None
    digests: Digests | None = None
    outcome: LoadResult | None = None
    failure: Failure | None = None

    def failed(self, failure: Failure) -> None:
        """Of several failures the first is the one that counts; later ones are a line of its logs."""
        if self.failure is None:
            self.failure = failure
            return
        logs = f"{self.failure.logs}\nthen: {failure.what}".strip()
        self.failure = self.failure.model_copy(update={"logs": logs})


def measure(
    planned: PlannedTrial,
    rate_rps: float | None,
    setting: Setting,
    scratch: Path,
    stack: ExitStack,
    found: Findings,
) -> None:
    """Fill ``found`` as it is measured, so that a failure keeps what came before it.

    Everything that is made is entered on ``stack``. Raises TareError, or OSError where the host refuses.
    """
    service, tools, cpus = setting.service, setting.instruments, setting.cpus
    target = setting.targets[planned.variant.target]
    found.footprint = target.footprint(service.artifact).parts
    lab = stack.enter_context(tools.lab(f"tare-{setting.folder.manifest.tag}-{scratch.name}"))
    at = lab.address("svc")
    plan = _load_plan(planned, rate_rps, setting, str(at.ip), scratch)
    generator = stack.enter_context(tools.generator(plan, netns=lab.client_netns, cpus=cpus.generator, scratch=scratch))
    generator.wait_ready()
    prober = stack.enter_context(
        tools.prober(at.ip, service.port, service.ready, netns=lab.client_netns, cpus=cpus.generator)
    )
    engine_before = memory.engine_memory(target.engine_processes)
    watch = Stopwatch()
    prober.go()
    instance = stack.enter_context(target.launch(service, at, watch, scratch))
    found.accelerator = instance.accelerator
    found.limits_enforced = instance.limits_enforced
    try:
        found.startup = _await_first_response(prober, instance, watch, service)
        if planned.kind == "measured":
            time.sleep(setting.experiment.settle_s)
            found.memory_idle = memory.read_memory(instance, engine_before)
            found.inside = _inside(instance.inside())
            found.responses = _exchange(setting, lab, str(at.ip))
        _load(generator, instance, engine_before, rate_rps, found)
        found.digests = Digests(expected=service.artifact.digest, observed=instance.content_digest())
    except TareError as error:
        _attach_logs(error, instance)
        raise


def _load_plan(planned: PlannedTrial, rate_rps: float | None, setting: Setting, ip: str, scratch: Path) -> LoadPlan:
    load, service = setting.experiment.load, setting.service
    measured = rate_rps is not None
    return LoadPlan(
        routes=(Route("/", ip, service.port),),
        samples=str(scratch / SAMPLES),
        mode="open" if measured else "closed",
        rate_rps=rate_rps or 1.0,
        duration_s=load.duration_s if measured else load.capacity_s,
        locustfile=str(setting.locustfile) if setting.locustfile else None,
        path=service.ready.path,
        status=service.ready.status,
        arrivals="constant" if load.arrivals == "constant" else "poisson",
        # Every variant of a block meets the same arrivals; every block has arrivals of its own.
        seed=setting.experiment.seed * 1_000_003 + planned.block,
        warmup_s=load.warmup_s,
        tail_s=TAIL_S if measured else 0.0,
        capacity_s=load.capacity_s if measured else 0.0,
        closed_users=load.closed_users,
        max_in_flight=load.max_in_flight,
        timeout_s=load.timeout_s,
    )


def _await_first_response(prober: StartupProber, instance: Instance, watch: Stopwatch, service: Service) -> Startup:
    result = prober.result(service.ready.timeout_s, instance.alive)
    if result.first_response_ns < watch.trigger_ns:
        raise DeployError(
            f"Something else answers at {instance.address.ip}:{service.port} already.",
            "Stop what listens there, or give the service another port.",
        )
    watch.stamp("listening", result.listening_ns)
    watch.stamp("first_response", result.first_response_ns)
    return Startup(
        trigger_ns=watch.trigger_ns,
        total_ns=result.first_response_ns - watch.trigger_ns,
        phases=tuple(Phase(name=name, after_ns=after) for name, after in watch.phases().items()),
        attempts=result.attempts,
        resolution_ns=result.resolution_ns,
        prober_cpu_ns=result.cpu_ns,
    )


def _inside(view: InsideView) -> Inside:
    return Inside(
        kernel_release=view.kernel_release,
        boot_id=view.boot_id,
        uptime_s=view.uptime_s,
        visible_processes=view.visible_processes,
        sees_host_processes=view.sees_host_processes,
        devices=view.devices,
        hypervisor_bit=view.hypervisor_bit,
        virtualisation=view.virtualisation,
    )


def _exchange(setting: Setting, lab: Lab, ip: str) -> dict[str, str]:
    """What the service answers to the workload's fixed requests. Raises LoadError for a status that is not expected."""
    wanted = setting.exchanges
    asked = [(exchange.method, exchange.path, exchange.body) for exchange in wanted]
    answers = exchanges.ask(asked, (Route("/", ip, setting.service.port),), lab.client_netns)
    for exchange in wanted:
        status, _ = answers[f"{exchange.method} {exchange.path}"]
        if status != exchange.status:
            raise LoadError(
                f"{exchange.method} {exchange.path} was answered with status {status}, expected {exchange.status}.",
                "Correct the service, or the exchanges in its workload.toml.",
            )
    return {key: f"{status} {digest}" for key, (status, digest) in answers.items()}


def _load(
    generator: LoadGenerator,
    instance: Instance,
    engine_before: dict[str, int],
    rate_rps: float | None,
    found: Findings,
) -> None:
    generator.prepare()
    windows = generator.start()
    clocks.sleep_until_ns(windows.window_begin_ns)
    cpu_before, noise_before, own_before = _counters(instance)
    clocks.sleep_until_ns(windows.window_end_ns)
    cpu_after, noise_after, own_after = _counters(instance)
    if rate_rps is not None:
        found.memory_load = memory.read_memory(instance, engine_before)
    outcome = found.outcome = generator.finish()
    if not instance.alive():
        raise DeployError(
            "The service ended under load.", "Look at the instance's logs; give it more memory under [limits]."
        )
    if outcome.capacity is not None:
        count = outcome.capacity
        found.capacity = Capacity(
            users=count.users, completed=count.completed, errors=count.errors, window_ns=count.window_ns
        )
    if rate_rps is None:
        return
    figures = noise_before.until(noise_after, own_after - own_before)
    found.noise = Noise(
        steal_share=figures.steal_share,
        throttled_periods=figures.throttled_periods,
        swapped_in_pages=figures.swapped_in_pages,
        load1=figures.load1,
        other_busy_share=figures.other_busy_share,
    )
    found.cpu = cpu.used(cpu_before, cpu_after)
    found.load = LoadFacts(
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


def _counters(instance: Instance) -> tuple[cpu.CpuReading, NoiseCounters, int]:
    return cpu.CpuReading.read(instance), NoiseCounters.read(instance.cgroup), cpu.own_ns(instance)


def _attach_logs(error: TareError, instance: Instance) -> None:
    """The failing instance's last lines ride along with the failure."""
    try:
        error.add_note(tail(instance.logs()))
    except TareError as second:
        error.add_note(f"(its logs could not be read: {second.what})")


def tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LOG_TAIL_LINES:])
