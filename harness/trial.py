"""One attempt at one trial: the one place where deploying, measuring and loading meet.

Everything that is made is entered on one ExitStack, dependants first to go. A failure ends the attempt, never the campaign:
whatever was measured before it stays in the record.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import clock as clocks
from harness.analysis.validity import judge, latency_p99_ns
from harness.clock import Stopwatch
from harness.errors import DeployError, TareError
from harness.host.cpus import CpuSplit
from harness.host.noise import NoiseCounters
from harness.instruments import Generator, Instruments, LoadOutcome, Prober
from harness.load.plan import LoadPlan
from harness.plan import PlannedTrial
from harness.probes import cpu, memory
from harness.spec.experiment import Experiment
from harness.spec.service import Exchange
from harness.store.folder import CampaignFolder
from harness.store.records import (
    Capacity,
    Digests,
    Failure,
    LoadFacts,
    Noise,
    Phase,
    Startup,
    TrialRecord,
    VariantId,
)
from harness.targets.api import Instance, Service, Target

TAIL_S = 1.0
"""The load goes on so long after the window, and memory under load is read meanwhile."""

LOG_TAIL_LINES = 20


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


def run_attempt(planned: PlannedTrial, attempt: int, rate_rps: float | None, setting: Setting) -> TrialRecord:
    """Deploy, measure and tear down once. ``rate_rps`` is None for a calibration, which measures capacity alone.

    Never raises a TareError of the deployment: that becomes a failed record. Raises StoreError if samples cannot be kept.
    """
    name = f"{planned.name}-a{attempt}"
    scratch = setting.folder.trial_folder(name)
    facts: dict[str, Any] = {}
    failure: Failure | None = None
    started = datetime.now(UTC).isoformat(timespec="seconds")
    samples: LoadOutcome | None = None
    try:
        samples = _measure(planned, rate_rps, setting, name, scratch, facts)
    except TareError as error:
        failure = Failure(
            kind=type(error).__name__, what=error.what, remedy=error.remedy, logs=_tail("\n".join(error.notes))
        )
    kept = None if samples is None else setting.folder.write_samples(name, samples.samples, list(samples.tasks))
    variant = planned.variant
    invalid = ()
    if failure is None and planned.kind == "measured":
        invalid = judge(
            load=facts.get("load"),
            latency_p99_ns=None if samples is None else latency_p99_ns(samples.samples),
            noise=facts.get("noise"),
            digests=facts.get("digests"),
            limits=setting.experiment.validity,
        )
    return TrialRecord(
        kind=planned.kind,
        trial=planned.name,
        block=planned.block,
        position=planned.position,
        attempt=attempt,
        variant=VariantId(
            name=variant.name,
            workload=variant.workload,
            topology=variant.topology,
            target=variant.target,
            front=variant.front,
            aa=variant.aa,
        ),
        level=planned.level.name if planned.level else "capacity",
        accelerator=facts.pop("accelerator", "none"),
        artifact_digest=setting.service.artifact.digest,
        started_utc=started,
        outcome="failed" if failure else "ok",
        failure=failure,
        invalid=invalid,
        cpuset=tuple(sorted(setting.service.cpuset)),
        samples=kept,
        **facts,
    )


def _measure(
    planned: PlannedTrial, rate_rps: float | None, setting: Setting, name: str, scratch: Path, facts: dict[str, Any]
) -> LoadOutcome:
    """Fill ``facts`` as they are measured, so that a failure keeps what came before it."""
    experiment, service, tools = setting.experiment, setting.service, setting.instruments
    target = setting.targets[planned.variant.target]
    facts["footprint"] = target.footprint(service.artifact).parts
    with ExitStack() as stack:
        lab = stack.enter_context(tools.lab(setting.folder.manifest.campaign, name))
        at = lab.address("svc")
        plan = _load_plan(planned, rate_rps, setting, str(at.ip), scratch)
        generator = stack.enter_context(
            tools.generator(plan, netns=lab.client_netns, cpus=setting.cpus.generator, scratch=scratch)
        )
        generator.wait_ready()
        prober = stack.enter_context(
            tools.prober(at.ip, service.port, service.ready, netns=lab.client_netns, cpus=setting.cpus.generator)
        )
        engine_before = memory.engine_memory(target.engine_processes)
        watch = Stopwatch()
        prober.go()
        instance = stack.enter_context(target.launch(service, at, watch, scratch))
        facts["accelerator"] = instance.accelerator
        facts["limits_enforced"] = instance.limits_enforced
        try:
            facts["startup"] = _await_first_response(prober, instance, watch, service)
            if planned.kind == "measured":
                time.sleep(experiment.settle_s)
                facts["memory_idle"] = memory.read_memory(instance, engine_before)
                facts["inside"] = _inside(instance)
                facts["responses"] = _exchange(setting, lab, str(at.ip))
            outcome = _load(generator, instance, engine_before, rate_rps, facts)
            observed = instance.content_digest()
            facts["digests"] = Digests(expected=service.artifact.digest, observed=observed)
        except TareError as error:
            _attach_logs(error, instance)
            raise
        return outcome


def _load_plan(
    planned: PlannedTrial, rate_rps: float | None, setting: Setting, ip: str, scratch: Path
) -> LoadPlan:
    load, service = setting.experiment.load, setting.service
    locustfile = str(setting.locustfile) if setting.locustfile else None
    common: dict[str, Any] = {
        "ip": ip,
        "port": service.port,
        "samples": str(scratch.absolute() / "samples.bin"),
        "locustfile": locustfile,
        "path": service.ready.path,
        "status": service.ready.status,
        "warmup_s": load.warmup_s,
        "closed_users": load.closed_users,
        "timeout_s": load.timeout_s,
    }
    if rate_rps is None:
        return LoadPlan(mode="closed", rate_rps=1.0, duration_s=load.capacity_s, **common)
    return LoadPlan(
        mode="open",
        rate_rps=rate_rps,
        duration_s=load.duration_s,
        arrivals=load.arrivals,
        # Every variant of a block meets the same arrivals; every block has arrivals of its own.
        seed=setting.experiment.seed * 1_000_003 + planned.block,
        tail_s=TAIL_S,
        capacity_s=load.capacity_s,
        max_in_flight=load.max_in_flight,
        **common,
    )


def _await_first_response(prober: Prober, instance: Instance, watch: Stopwatch, service: Service) -> Startup:
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


def _load(
    generator: Generator, instance: Instance, engine_before: dict[str, int], rate_rps: float | None, facts: dict[str, Any]
) -> LoadOutcome:
    windows = generator.start()
    clocks.sleep_until_ns(windows.window_begin_ns)
    cpu_before, noise_before = cpu.CpuReading.read(instance), NoiseCounters.read(instance.cgroup)
    own_before = cpu.own_ns(instance)
    clocks.sleep_until_ns(windows.window_end_ns)
    cpu_after, noise_after = cpu.CpuReading.read(instance), NoiseCounters.read(instance.cgroup)
    own_after = cpu.own_ns(instance)
    if rate_rps is not None:
        facts["memory_load"] = memory.read_memory(instance, engine_before)
    outcome = generator.finish()
    figures = noise_before.until(noise_after, own_after - own_before)
    facts["noise"] = Noise(
        steal_share=figures.steal_share,
        throttled_periods=figures.throttled_periods,
        swapped_in_pages=figures.swapped_in_pages,
        load1=figures.load1,
        other_busy_share=figures.other_busy_share,
    )
    if not instance.alive():
        raise DeployError("The service ended under load.", "Look at the instance's logs; give it more memory with [limits].")
    window_ns = windows.window_end_ns - windows.window_begin_ns
    if rate_rps is None:
        facts["capacity"] = Capacity(
            users=outcome.closed_users, completed=outcome.completed, errors=outcome.errors, window_ns=window_ns
        )
        return outcome
    facts["cpu"] = cpu.used(cpu_before, cpu_after)
    facts["load"] = LoadFacts(
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
    return outcome
