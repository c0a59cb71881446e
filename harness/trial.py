"""One attempt at one trial: deploy, measure, tear down, and a record of it.

Everything that is made is entered on one ExitStack, dependants first to go. A failure ends the attempt, never the
campaign: whatever was measured before it stays in the record.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from harness.analysis.validity import judge, latency_p99_ns
from harness.deployment.deploy import tail
from harness.deployment.load_plan import SAMPLES
from harness.deployment.setting import Setting
from harness.errors import TareError
from harness.interrupts import held, raise_if_asked
from harness.load.result import is_first_request
from harness.measuring import Findings, measure
from harness.plan import Demand, PlannedTrial
from harness.provenance import utc_now
from harness.spec.matrix import Variant
from harness.store.records import Failure, TrialRecord, VariantId

_GENERATOR_FILES = (SAMPLES, f"{SAMPLES}.json")
"""What becomes the attempt's Parquet file."""


def run_attempt(planned: PlannedTrial, attempt: int, demand: Demand, setting: Setting) -> TrialRecord:
    """Deploy, measure and tear down once. A trial at capacity measures that alone.

    A deployment that fails, or a disk that refuses, is a failed record and no exception. Raises StoreError if what was
    measured cannot be kept.
    """
    name = f"{planned.name}-a{attempt}"
    scratch = setting.folder.trial_folder(name).absolute()
    found = Findings()
    started = utc_now()
    stack = ExitStack()
    try:
        with _failures_noted(found):
            measure(planned, demand, setting, scratch, stack, found)
    finally:
        with held(), _failures_noted(found):
            stack.close()
    samples = None
    if found.outcome is not None:
        outcome = found.outcome
        samples = setting.folder.write_samples(name, outcome.samples, outcome.tasks, outcome.regions)
    for file in _GENERATOR_FILES:
        (scratch / file).unlink(missing_ok=True)
    return TrialRecord(
        kind=planned.kind,
        trial=planned.name,
        block=planned.block,
        position=planned.position,
        attempt=attempt,
        variant=variant_id(planned.variant),
        level=planned.level_name,
        accelerator=found.accelerator,
        artifact_digest=setting.digest_of(planned.variant.topology),
        started_utc=started,
        outcome="failed" if found.failure else "ok",
        failure=found.failure,
        invalid=() if found.failure else _verdict(planned, found, setting),
        limits_enforced=found.limits_enforced,
        cpuset=tuple(sorted(setting.cpus.service)),
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
        instances=found.instances(),
        events=tuple(found.events),
        served=found.served,
        path_checks=found.path_checks,
        propagation_ms=found.propagation_ms,
        rtts=found.rtts,
        core=found.core,
        origin=found.origin,
        caches=found.caches,
        replay=found.replay,
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
        replicas=variant.replicas,
        cache_share=variant.cache_share,
        aa=variant.aa,
    )


def _verdict(planned: PlannedTrial, found: Findings, setting: Setting) -> tuple[str, ...]:
    """A calibration drives the service to its limit on purpose, so only its artifact is judged."""
    measured = planned.kind == "measured"
    outcome = found.outcome if measured else None
    # A task's later requests have no place in the schedule, so neither their latency nor their lag says anything.
    arrivals = None if outcome is None else outcome.samples[is_first_request(outcome.samples, list(outcome.tasks))]
    return judge(
        load=found.load if measured else None,
        latency_p99_ns=None if arrivals is None else latency_p99_ns(arrivals),
        noise=found.noise if measured else None,
        digests=found.digests,
        limits=setting.experiment.validity,
        is_replay=found.replay is not None,
        rtts=found.rtts,
        core=found.core,
    )


@contextmanager
def _failures_noted(found: Findings) -> Iterator[None]:
    """A deployment that fails and a host that refuses become part of what was found.

    Raises Interrupted where a signal came: a clean-up that it caught half way may have failed and replaced it.
    """
    try:
        yield
    except TareError as error:
        logs = tail("\n".join(error.notes))
        found.failed(Failure(kind=type(error).__name__, what=error.what, remedy=error.remedy, logs=logs))
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "Free some disk space: df -h" if full else "Look at what this host lacks: tare doctor"
        found.failed(Failure(kind="DeployError", what=f"The host refused: {error}.", remedy=remedy))
    else:
        return
    raise_if_asked()
