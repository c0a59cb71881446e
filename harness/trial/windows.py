"""The load on a deployment, and what is read of the deployment at the ends of the measured window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness import clock as clocks
from harness.clock import NS_PER_S
from harness.errors import DeployError, LoadError
from harness.load.plan import LoadPlan
from harness.load.result import LoadResult
from harness.load.windows import Windows
from harness.records.load import ReplayRecord
from harness.trial import checks, driving, readings
from harness.trial.context import TrialContext
from harness.trial.draft import TrialDraft
from harness.trial.events import EventContext, run_events
from harness.trial.instrument_factory import LoadGenerator
from harness.trial.launch import Deployment


def scheduled(
    context: TrialContext,
    generator: LoadGenerator,
    deployment: Deployment,
    engine_before: Mapping[str, int],
    draft: TrialDraft,
) -> None:
    """A load with a window: counters at both ends of it, memory right after it, then the events.

    Of a calibration, which has no rate, only the capacity is kept.
    """
    windows = generator.start()
    _read_window(context, windows, deployment, engine_before, draft)
    if context.rate_rps is not None:
        # Before any event: a replica that was down has served less, and a service that was replaced is told its old
        # events again.
        draft.record = replace(
            draft.record,
            served=checks.served(context.planned.variant, context.campaign, deployment),
            propagation_ms=checks.propagation(context.layout, context.lab),
        )
        begin_ns = windows.window_end_ns + round(driving.TAIL_S * NS_PER_S)
        stage = EventContext(deployment, context.campaign, context.lab, context.stack)
        run_events(context.campaign.experiment.events_of(context.planned.variant), begin_ns, stage, draft.events)
    result = _finish(generator, deployment, draft)
    if context.rate_rps is not None:
        draft.record = replace(draft.record, load=result.facts(context.rate_rps))


def replayed(
    context: TrialContext,
    plan: LoadPlan,
    generator: LoadGenerator,
    deployment: Deployment,
    engine_before: Mapping[str, int],
    draft: TrialDraft,
) -> None:
    """A load without a schedule: it ends when it is through, and the caches are then as full as they get.

    The host's noise is that of all of it. CPU time is not told: what there is would be the warm-up's, too.
    """
    planned, replay = context.planned, context.campaign.experiment.load.replay
    before = readings.Counters.read(deployment)
    generator.start()
    result = _finish(generator, deployment, draft)
    noise = before.noise_until(readings.Counters.read(deployment))
    memory_load, draft.load_of = readings.read_memory(deployment, engine_before)
    draft.record = replace(draft.record, noise=noise, memory_load=memory_load)
    if replay is None or planned.level is None or planned.level.sequence is None:
        raise LoadError("The load was no replay of a sequence.", "Run the experiment again from its file.")
    draft.record = replace(
        draft.record,
        replay=ReplayRecord(
            sequence=planned.level.sequence,
            requests=replay.requests,
            warmup=replay.warmup,
            window_begin_ns=result.windows.window_begin_ns,
            window_end_ns=result.windows.window_end_ns,
            miss_bytes_per_s=plan.miss_bytes_per_s,
        ),
        load=result.facts(0.0),
        served=checks.served(planned.variant, context.campaign, deployment),
    )


def _read_window(
    context: TrialContext,
    windows: Windows,
    deployment: Deployment,
    engine_before: Mapping[str, int],
    draft: TrialDraft,
) -> None:
    clocks.sleep_until_ns(windows.window_begin_ns)
    before = readings.Counters.read(deployment)
    clocks.sleep_until_ns(windows.window_end_ns)
    after = readings.Counters.read(deployment)
    if context.rate_rps is None:
        return
    memory_load, draft.load_of = readings.read_memory(deployment, engine_before)
    draft.cpu_of = before.used_until(after)
    draft.record = replace(
        draft.record,
        memory_load=memory_load,
        noise=before.noise_until(after),
        cpu=readings.total_cpu(draft.cpu_of.values()),
    )


def _finish(generator: LoadGenerator, deployment: Deployment, draft: TrialDraft) -> LoadResult:
    """Wait for the generator's end. Raises DeployError if an instance ended that no event had ended."""
    result = draft.result = generator.finish()
    wanted = {event.instance for event in draft.events if event.recovered_ns is None}
    if dead := [run.name for run in deployment.dead() if run.name not in wanted]:
        who = f" {dead[0]}" if len(deployment.running) > 1 else ""
        raise DeployError(
            f"The service{who} ended under load.",
            "Look at the instance's logs; give it more memory under [limits].",
        )
    draft.record = replace(draft.record, capacity=result.capacity)
    return result
