"""One attempt at one trial, in the order in which it happens: deploy, measure, tear down, and a record of it.

Everything that is made is entered on one ExitStack, dependants first to go. A failure ends the attempt, never the
campaign: whatever was measured before it stays in the record.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from harness.analysis.validity import judge, latency_p99_ns
from harness.clock import utc_now
from harness.errors import LoadError, TareError
from harness.lab.regional import RegionalLab
from harness.load.plan import ClosedLoop, OpenLoop, Ramp, Replay
from harness.load.result import is_first_request
from harness.planning.plan import Demand, PlannedTrial
from harness.probes import exchanges, memory
from harness.records.cache import OriginCount
from harness.records.trial import Failure, TrialRecord
from harness.runtime.confinement import Confinement
from harness.runtime.signals import held, raise_if_asked
from harness.spec.route import STRAIGHT
from harness.trial import checks, load_plan, readings, windows
from harness.trial.arrangement import lay_out
from harness.trial.campaign_context import CampaignContext
from harness.trial.context import TrialContext
from harness.trial.draft import TrialDraft
from harness.trial.launch import attach_logs, deploy, tail
from harness.trial.load_plan import SAMPLES
from harness.trial.trial_log import trial_log

_GENERATOR_FILES = (SAMPLES, f"{SAMPLES}.json")
"""What becomes the attempt's Parquet file."""


def run_attempt(planned: PlannedTrial, attempt: int, demand: Demand, setting: CampaignContext) -> TrialRecord:
    """Deploy, measure and tear down once. A trial at capacity measures that alone.

    A deployment that fails, or a disk that refuses, is a failed record and no exception. Raises StoreError if what was
    measured cannot be kept.
    """
    name = f"{planned.name}-a{attempt}"
    scratch = setting.folder.trial_folder(name).absolute()
    draft = TrialDraft(_begun(planned, attempt, setting))
    stack = ExitStack()
    try:
        with _failures_noted(draft):
            stack.enter_context(trial_log(scratch))
            _measure(_laid_out(planned, demand, setting, scratch, stack, draft), draft)
    finally:
        with held(), _failures_noted(draft):
            stack.close()
    samples = None
    if (result := draft.result) is not None:
        samples = setting.folder.write_samples(name, result.samples, result.tasks, result.regions)
    for file in _GENERATOR_FILES:
        (scratch / file).unlink(missing_ok=True)
    return draft.finished(() if draft.record.failure else _verdict(draft, setting), samples)


def _begun(planned: PlannedTrial, attempt: int, setting: CampaignContext) -> TrialRecord:
    """What is known before anything is made."""
    return TrialRecord(
        kind=planned.kind,
        trial=planned.name,
        block=planned.block,
        position=planned.position,
        attempt=attempt,
        variant=planned.variant,
        level=planned.level_name,
        accelerator="none",
        artifact_digest=setting.digest_of(planned.variant.topology),
        started_utc=utc_now(),
        outcome="ok",
        cpuset=tuple(sorted(setting.cpus.service)),
    )


def _laid_out(
    planned: PlannedTrial,
    demand: Demand,
    setting: CampaignContext,
    scratch: Path,
    stack: ExitStack,
    draft: TrialDraft,
) -> TrialContext:
    """Make the lab, and give every instance its place in it. Launches nothing."""
    prefix = f"tare-{setting.folder.manifest.tag}-{scratch.name}"
    lab = stack.enter_context(setting.instruments.lab(prefix, setting.experiment.geography, setting.cpus.generator))
    layout = lay_out(planned.variant, setting, lab, scratch)
    for name, text in layout.files.items():
        (scratch / name).write_text(text, "utf-8")
    draft.record = replace(draft.record, footprint=readings.footprint_of(layout), caches=layout.caches)
    return TrialContext(planned, demand, setting, lab, layout, scratch, stack)


def _measure(context: TrialContext, draft: TrialDraft) -> None:
    """Fill ``draft`` as it is measured. Raises TareError, or OSError where the host refuses."""
    campaign, layout, lab, stack = context.campaign, context.layout, context.lab, context.stack
    plan = load_plan.load_plan(context.planned, context.demand, campaign, layout, context.scratch)
    client = Confinement(lab.client_netns, campaign.cpus.generator)
    generator = stack.enter_context(campaign.instruments.generator(plan, client, context.scratch))
    generator.wait_ready()
    engine_before = memory.engine_memory(readings.engine_processes(place.target for place in layout.places))
    deployment, startup = deploy(layout, campaign, lab, context.scratch, stack, draft.running)
    draft.record = replace(draft.record, startup=startup)
    try:
        draft.record = replace(draft.record, path_checks=checks.close_paths(layout, lab))
        if context.is_measured:
            if isinstance(lab, RegionalLab):
                rtts = lab.measure_rtts({place.name: place.at.ip for place in layout.places})
                draft.record = replace(draft.record, rtts=rtts)
            time.sleep(campaign.experiment.settle_s)
            memory_idle, draft.idle_of = readings.read_memory(deployment, engine_before)
            draft.record = replace(draft.record, memory_idle=memory_idle, inside=readings.inside_of(deployment))
            draft.record = replace(draft.record, responses=_exchange(context))
        generator.prepare()
        before = checks.origin_count(layout, lab) if context.is_measured else None
        driven = windows.Driven(context, generator, deployment, engine_before, draft)
        match plan.load:
            case OpenLoop() as load:
                windows.scheduled(driven, load)
            case ClosedLoop():
                windows.at_capacity(driven)
            case Replay() as load:
                windows.replayed(driven, load)
            case Ramp():
                raise LoadError("No trial is a ramp.", "Run the experiment again from its file.")
        draft.record = replace(draft.record, origin=_counted(context, before, draft))
        if isinstance(lab, RegionalLab):
            draft.record = replace(draft.record, backbone=lab.backbone.report())
        draft.digests_of = readings.digests_of(deployment)
        draft.record = replace(draft.record, digests=readings.total_digests(deployment, draft.digests_of))
    except TareError as error:
        attach_logs(error, deployment.dead() or deployment.running)
        raise


def _exchange(context: TrialContext) -> dict[str, str]:
    """What the service answers to the workload's fixed requests. Raises LoadError for a status that is not expected.

    Caches are passed by, so that they know nothing before the load.
    """
    wanted, layout = context.campaign.exchanges, context.layout
    asked = [(exchange.method, exchange.path, exchange.body) for exchange in wanted]
    way, routes = (STRAIGHT, layout.direct) if layout.caches else (layout.way, layout.routes)
    answers = exchanges.ask(asked, routes, context.lab.client_netns, way)
    for exchange in wanted:
        status, _ = answers[f"{exchange.method} {exchange.path}"]
        if status != exchange.status:
            raise LoadError(
                f"{exchange.method} {exchange.path} was answered with status {status}, expected {exchange.status}.",
                "Correct the service, or the exchanges in its workload.toml.",
            )
    return {key: f"{status} {digest}" for key, (status, digest) in answers.items()}


def _counted(context: TrialContext, before: OriginCount | None, draft: TrialDraft) -> OriginCount | None:
    """What the origin counted of the load; None if something happened to it, which made it forget."""
    layout = context.layout
    path = layout.topology.counter
    if path is None or before is None:
        return None
    origin = {place.name for place in layout.places_of(layout.topology.route_of(path))}
    if any(event.instance in origin for event in draft.events):
        return None
    return checks.since(before, checks.origin_count(layout, context.lab))


def _verdict(draft: TrialDraft, setting: CampaignContext) -> tuple[str, ...]:
    """Why it does not count. A calibration drives the service to its limit on purpose: only its artifact is judged."""
    record = draft.record
    measured = record.kind == "measured"
    result = draft.result if measured else None
    # A task's later requests have no place in the schedule, so neither their latency nor their lag says anything.
    arrivals = None if result is None else result.samples[is_first_request(result.samples, list(result.tasks))]
    return judge(
        load=record.load if measured else None,
        latency_p99_ns=None if arrivals is None else latency_p99_ns(arrivals),
        noise=record.noise if measured else None,
        digests=record.digests,
        limits=setting.experiment.validity,
        is_replay=record.replay is not None,
        rtts=record.rtts,
        backbone=record.backbone,
    )


@contextmanager
def _failures_noted(draft: TrialDraft) -> Iterator[None]:
    """A deployment that fails and a host that refuses become part of the record.

    Raises Interrupted where a signal came: a clean-up that it caught half way may have failed and replaced it.
    """
    try:
        yield
    except TareError as error:
        logs = tail("\n".join(error.notes))
        draft.failed(Failure(kind=type(error).__name__, what=error.what, remedy=error.remedy, logs=logs))
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "Free some disk space: df -h" if full else "Look at what this host lacks: tare doctor"
        draft.failed(Failure(kind="DeployError", what=f"The host refused: {error}.", remedy=remedy))
    else:
        return
    raise_if_asked()
