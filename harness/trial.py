"""One attempt at one trial: the one place where deploying, measuring and loading meet.

Everything that is made is entered on one ExitStack, dependants first to go. A failure ends the attempt, never the
campaign: whatever was measured before it stays in the record.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness import clock as clocks
from harness.analysis.validity import judge, latency_p99_ns
from harness.clock import Stopwatch
from harness.errors import DeployError, LoadError, TareError
from harness.host.cpus import CpuSplit
from harness.host.noise import NoiseCounters
from harness.instruments import Instruments, LoadGenerator, StartupProber
from harness.lab.bridged import Lab
from harness.load.plan import LoadPlan
from harness.load.result import LoadResult
from harness.plan import PlannedTrial, Variant
from harness.probes import cpu, exchanges, memory
from harness.provenance import utc_now
from harness.spec.experiment import Experiment
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
    TrialRecord,
    VariantId,
)
from harness.targets.api import InsideView, Instance, Service, Target

TAIL_S = 2.0
"""The load goes on so long after the window, and memory under load is read meanwhile."""

LOG_TAIL_LINES = 20

_GENERATOR_FILES = ("samples.bin", "samples.bin.json")
"""What becomes the attempt's Parquet file."""


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
class _Findings:
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


def run_attempt(planned: PlannedTrial, attempt: int, rate_rps: float | None, setting: Setting) -> TrialRecord:
    """Deploy, measure and tear down once. ``rate_rps`` is None for a calibration, which measures capacity alone.

    A deployment that fails, or a disk that refuses, is a failed record and no exception. Raises StoreError if what was
    measured cannot be kept.
    """
    name = f"{planned.name}-a{attempt}"
    scratch = setting.folder.trial_folder(name).absolute()
    found = _Findings()
    failure: Failure | None = None
    started = utc_now()
    try:
        _measure(planned, rate_rps, setting, name, scratch, found)
    except TareError as error:
        failure = Failure(
            kind=type(error).__name__, what=error.what, remedy=error.remedy, logs=_tail("\n".join(error.notes))
        )
    except OSError as error:
        failure = Failure(
            kind="DeployError",
            what=f"The host refused: {error}.",
            remedy="Look for free disk space: df -h; then: tare doctor",
        )
    samples = None
    if found.outcome is not None:
        samples = setting.folder.write_samples(name, found.outcome.samples, list(found.outcome.tasks))
    for file in _GENERATOR_FILES:
        (scratch / file).unlink(missing_ok=True)
    return TrialRecord(
        kind=planned.kind,
        trial=planned.name,
        block=planned.block,
        position=planned.position,
        attempt=attempt,
        variant=variant_id(planned.variant),
        level=planned.level.name if planned.level else "capacity",
        accelerator=found.accelerator,
        artifact_digest=setting.service.artifact.digest,
        started_utc=started,
        outcome="failed" if failure else "ok",
        failure=failure,
        invalid=() if failure else _verdict(planned, found, setting),
        limits_enforced=found.limits_enforced,
        cpuset=tuple(sorted(setting.service.cpuset)),
        startup=found.startup,
        memory_idle=found.memory_idle,
        memory_load=found.memory_load,
        cpu=found.cpu,
        load=found.load,
        capacity=found.capacity,
        noise=found.noise,
        digests=found.digests,
        inside=found.inside,
        responses=found.responses,
        footprint=found.footprint,
        samples=samples,
    )


def variant_id(variant: Variant) -> VariantId:
    """The plan's variant as the store keeps it."""
    return VariantId(
        name=variant.name,
        workload=variant.workload,
        topology=variant.topology,
        target=variant.target,
        front=variant.front,
        aa=variant.aa,
    )


def _verdict(planned: PlannedTrial, found: _Findings, setting: Setting) -> tuple[str, ...]:
    """A calibration drives the service to its limit on purpose, so only its artifact is judged."""
    measured = planned.kind == "measured" and found.outcome is not None
    return judge(
        load=found.load if measured else None,
        latency_p99_ns=latency_p99_ns(found.outcome.samples) if measured and found.outcome is not None else None,
        noise=found.noise if measured else None,
        digests=found.digests,
        limits=setting.experiment.validity,
    )


def _measure(
    planned: PlannedTrial, rate_rps: float | None, setting: Setting, name: str, scratch: Path, found: _Findings
) -> None:
    """Fill ``found`` as it is measured, so that a failure keeps what came before it."""
    service, tools, cpus = setting.service, setting.instruments, setting.cpus
    target = setting.targets[planned.variant.target]
    found.footprint = target.footprint(service.artifact).parts
    with ExitStack() as stack:
        lab = stack.enter_context(tools.lab(f"tare-{setting.folder.manifest.tag}-{name}"))
        at = lab.address("svc")
        plan = _load_plan(planned, rate_rps, setting, str(at.ip), scratch)
        generator = stack.enter_context(
            tools.generator(plan, netns=lab.client_netns, cpus=cpus.generator, scratch=scratch)
        )
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
        ip=ip,
        port=service.port,
        samples=str(scratch / _GENERATOR_FILES[0]),
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
    answers = exchanges.ask(ip, setting.service.port, asked, lab.client_netns)
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
    found: _Findings,
) -> None:
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
        error.add_note(_tail(instance.logs()))
    except TareError as second:
        error.add_note(f"(its logs could not be read: {second.what})")


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LOG_TAIL_LINES:])
