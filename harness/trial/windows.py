"""The load on a deployment, and what is read of the deployment at the ends of the measured window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness import clock as clocks
from harness.clock import NS_PER_S
from harness.errors import DeployError
from harness.load.plan import OpenLoop, Replay, Windows
from harness.load.result import LoadResult
from harness.records.load import ReplayRecord
from harness.trial import checks, load_plan, readings
from harness.trial.context import TrialContext
from harness.trial.draft import TrialDraft
from harness.trial.events import EventContext, run_events
from harness.trial.instrument_factory import LoadGenerator
from harness.trial.launch import Deployment


@dataclass(frozen=True, slots=True)
class Driven:
    """A deployment and the generator that is ready to drive it. ``engine_before``: what the engines held before it."""

    context: TrialContext
    generator: LoadGenerator
    deployment: Deployment
    engine_before: Mapping[str, int]
    draft: TrialDraft


def scheduled(driven: Driven, load: OpenLoop) -> None:
    """A load with a window: counters at both ends of it, memory right after it, then the events."""
    context, draft = driven.context, driven.draft
    windows = driven.generator.start()
    _read_window(driven, windows)
    # Before any event: a replica that was down has served less, and a service that was replaced is told its old events
    # again.
    draft.record = replace(
        draft.record,
        served=checks.served(context.planned.variant, context.campaign, driven.deployment),
        propagation_ms=checks.propagation(context.layout, context.lab),
    )
    begin_ns = windows.window_end_ns + round(load_plan.TAIL_S * NS_PER_S)
    stage = EventContext(driven.deployment, context.campaign, context.lab, context.stack)
    run_events(context.campaign.experiment.events_of(context.planned.variant), begin_ns, stage, draft.events)
    result = _finish(driven)
    draft.record = replace(draft.record, load=result.facts(load.schedule.rate_rps))


def at_capacity(driven: Driven) -> None:
    """A calibration: only the capacity is kept."""
    driven.generator.start()
    _finish(driven)


def replayed(driven: Driven, load: Replay) -> None:
    """A load without a schedule: it ends when it is through, and the caches are then as full as they get.

    The host's noise is that of all of it. CPU time is not told: what there is would be the warm-up's, too.
    """
    context, draft, deployment = driven.context, driven.draft, driven.deployment
    before = readings.Counters.read(deployment)
    driven.generator.start()
    result = _finish(driven)
    noise = before.noise_until(readings.Counters.read(deployment))
    memory_load, draft.load_of = readings.read_memory(deployment, driven.engine_before)
    draft.record = replace(
        draft.record,
        noise=noise,
        memory_load=memory_load,
        replay=ReplayRecord(
            sequence=context.planned.level_name,
            requests=load.requests,
            warmup=load.warmup,
            window_begin_ns=result.windows.window_begin_ns,
            window_end_ns=result.windows.window_end_ns,
            miss_bytes_per_s=load.miss_bytes_per_s,
        ),
        load=result.facts(0.0),
        served=checks.served(context.planned.variant, context.campaign, deployment),
    )


def _read_window(driven: Driven, windows: Windows) -> None:
    draft, deployment = driven.draft, driven.deployment
    clocks.sleep_until_ns(windows.window_begin_ns)
    before = readings.Counters.read(deployment)
    clocks.sleep_until_ns(windows.window_end_ns)
    after = readings.Counters.read(deployment)
    memory_load, draft.load_of = readings.read_memory(deployment, driven.engine_before)
    draft.cpu_of = before.used_until(after)
    draft.record = replace(
        draft.record,
        memory_load=memory_load,
        noise=before.noise_until(after),
        cpu=readings.total_cpu(draft.cpu_of.values()),
    )


def _finish(driven: Driven) -> LoadResult:
    """Wait for the generator's end. Raises DeployError if an instance ended that no event had ended."""
    draft, deployment = driven.draft, driven.deployment
    result = draft.result = driven.generator.finish()
    wanted = {event.instance for event in draft.events if event.recovered_ns is None}
    if dead := [run.name for run in deployment.dead() if run.name not in wanted]:
        who = f" {dead[0]}" if len(deployment.running) > 1 else ""
        raise DeployError(
            f"The service{who} ended under load.",
            "Look at the instance's logs; give it more memory under [limits].",
        )
    draft.record = replace(draft.record, capacity=result.capacity)
    return result
