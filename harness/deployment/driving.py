"""What the generator is told to do with a deployment."""

from __future__ import annotations

from pathlib import Path

from harness.deployment.places import Layout
from harness.deployment.setting import Setting
from harness.fronts.api import Front
from harness.load.plan.load_plan import LoadPlan, SequencePlan
from harness.plan import PlannedTrial

TAIL_S = 2.0
"""The load goes on so long after the window, and memory under load is read meanwhile."""

SAMPLES = "samples.bin"
"""The generator's file in the attempt's folder."""

MISSES_OF_CAPACITY = 0.15
"""The part of its capacity that a cache may miss until it makes room, if it does so only now and then.

In the mean it then holds half of that too much, which by the web's sizes and Zipf's law is worth about a point of the
hit ratio (docs/adding-a-front.md)."""


def load_plan(
    planned: PlannedTrial, rate_rps: float | None, setting: Setting, layout: Layout, scratch: Path
) -> LoadPlan:
    """What the generator shall do: the load goes on after the window for the ledger, and for every event.

    A warm front is asked for the first requests of the sequence before the load; the load of every variant begins
    after them.
    """
    experiment = setting.experiment
    load, ready = experiment.load, layout.places[-1].service.ready
    is_open = rate_rps is not None
    events = experiment.events_of(planned.variant) if is_open else ()
    front = setting.fronts.get(planned.variant.front)
    spec = experiment.front(planned.variant.front)
    outcome = front.outcome if front is not None else None
    replay = load.replay if planned.level is not None and planned.level.sequence is not None else None
    return LoadPlan(
        routes=layout.regions[0].entries[0] if layout.regions else layout.routes,
        regions=layout.regions,
        tls_ca=layout.way.tls_ca,
        proxy=layout.way.proxy,
        samples=str(scratch / SAMPLES),
        mode="replay" if replay is not None else "open" if is_open else "closed",
        rate_rps=rate_rps or 1.0,
        duration_s=load.duration_s if is_open else load.capacity_s,
        locustfile=str(setting.locustfile) if setting.locustfile else None,
        path=ready.path,
        status=ready.status,
        arrivals="constant" if load.arrivals == "constant" else "poisson",
        # Every variant of a block meets the same arrivals; every block has arrivals of its own.
        seed=experiment.seed * 1_000_003 + planned.block,
        warmup_s=load.warmup_s,
        tail_s=TAIL_S + sum(event.slot_s for event in events) if is_open else 0.0,
        # What an event left behind has no capacity of its own.
        capacity_s=load.capacity_s if is_open and not events else 0.0,
        closed_users=load.closed_users,
        max_in_flight=load.max_in_flight,
        timeout_s=load.timeout_s,
        sequence=_sequence(planned, setting),
        prefill=experiment.prefill if spec is not None and spec.warm else 0,
        replay_requests=replay.requests if replay is not None else 0,
        replay_warmup=replay.warmup if replay is not None else 0,
        replay_users=replay.users if replay is not None else 1,
        miss_bytes_per_s=_pace(front, layout) if replay is not None else 0.0,
        outcome_header=None if outcome is None else (outcome.name, outcome.words),
    )


def _pace(front: Front | None, layout: Layout) -> float:
    """The bytes a second that caches may miss in a replay; 0: as many as they like."""
    if front is None or not front.makes_room_s or not layout.caches:
        return 0.0
    smallest = min(cache.size_bytes for cache in layout.caches)
    return MISSES_OF_CAPACITY * smallest / front.makes_room_s


def _sequence(planned: PlannedTrial, setting: Setting) -> SequencePlan | None:
    """The level's sequence, or the only one there is, of the catalogue's objects; None without a catalogue."""
    sequences, catalogue = setting.experiment.sequences, setting.catalogue
    if catalogue is None:
        return None
    named = planned.level.sequence if planned.level is not None else None
    chosen = sequences[named] if named is not None else next(iter(sequences.values()), None)
    return SequencePlan(catalogue.spec, chosen, setting.experiment.prefill)
