"""What the generator is to do with a deployment."""

from __future__ import annotations

from pathlib import Path

from harness.errors import SpecError
from harness.load.plan import (
    CapacityPhase,
    ClosedLoop,
    Load,
    LoadPlan,
    OpenLoop,
    Pool,
    Prefill,
    Replay,
    Schedule,
    SequencePlan,
    Targets,
    TaskSource,
)
from harness.load.plan.arrivals import Arrivals
from harness.planning.plan import AtCapacity, AtRate, Demand, PlannedTrial, ReplayOf
from harness.proxies.api import Proxy
from harness.spec.experiment import LoadSpec
from harness.trial.campaign_context import CampaignContext
from harness.trial.layout import Layout

TAIL_S = 2.0
"""The load goes on so long after the window, and memory under load is read meanwhile."""

SAMPLES = "samples.bin"
"""The generator's file in the attempt's folder."""

MISSES_OF_CAPACITY = 0.15
"""The part of its capacity that a cache may miss until it makes room, if it does so only now and then.

In the mean it then holds half of that too much, which by the web's sizes and Zipf's law is worth about a point of the
hit ratio (docs/adding-a-proxy.md)."""


def load_plan(
    planned: PlannedTrial, demand: Demand, setting: CampaignContext, layout: Layout, scratch: Path
) -> LoadPlan:
    """What the generator shall do: the load goes on after the window for the ledger, and for every event.

    A warm proxy is asked for the first requests of the sequence before the load; the load of every variant begins
    after them. Raises SpecError for a replay of what is no sequence of the experiment's.
    """
    experiment = setting.experiment
    ready = layout.places[-1].service.ready
    proxy = setting.proxies.get(planned.variant.proxy)
    spec = experiment.proxy(planned.variant.proxy)
    outcome = proxy.outcome if proxy is not None else None
    filled = experiment.prefill if spec is not None and spec.warm else 0
    return LoadPlan(
        targets=Targets(
            routes=layout.regions[0].entries[0] if layout.regions else layout.routes,
            way=layout.way,
            regions=layout.regions,
        ),
        load=_load(planned, demand, setting, layout),
        samples=str(scratch / SAMPLES),
        tasks=TaskSource(
            locustfile=str(setting.locustfile) if setting.locustfile else None, path=ready.path, status=ready.status
        ),
        # Every variant of a block meets the same arrivals; every block has arrivals of its own.
        seed=experiment.seed * 1_000_003 + planned.block,
        timeout_s=experiment.load.timeout_s,
        prefill=Prefill(filled, experiment.load.closed_users) if filled else None,
        outcome_header=None if outcome is None else (outcome.name, outcome.words),
    )


def _load(planned: PlannedTrial, demand: Demand, setting: CampaignContext, layout: Layout) -> Load:
    load = setting.experiment.load
    capacity = CapacityPhase(load.closed_users, load.capacity_s)
    match demand:
        case AtRate(rate_rps):
            events = setting.experiment.events_of(planned.variant)
            return OpenLoop(
                _schedule(rate_rps, load),
                Pool(load.max_in_flight),
                TAIL_S + sum(event.slot_s for event in events),
                # What an event left behind has no capacity of its own.
                None if events else capacity,
                _sequence(None, setting),
            )
        case AtCapacity():
            return ClosedLoop(capacity, load.warmup_s, _sequence(None, setting))
        case ReplayOf(name):
            sequence, replay = _sequence(name, setting), load.replay
            if sequence is None or replay is None:
                raise SpecError(f"There is no sequence {name} to replay.", "Run the experiment again from its file.")
            pace = _pace(setting.proxies.get(planned.variant.proxy), layout)
            return Replay(sequence, replay.requests, replay.warmup, replay.users, pace)


def _schedule(rate_rps: float, load: LoadSpec) -> Schedule:
    arrivals: Arrivals = "constant" if load.arrivals == "constant" else "poisson"
    return Schedule(rate_rps, load.duration_s, load.warmup_s, arrivals)


def _pace(proxy: Proxy | None, layout: Layout) -> float:
    """The bytes a second that caches may miss in a replay; 0: as many as they like."""
    if proxy is None or not proxy.makes_room_s or not layout.caches:
        return 0.0
    smallest = min(cache.size_bytes for cache in layout.caches)
    return MISSES_OF_CAPACITY * smallest / proxy.makes_room_s


def _sequence(name: str | None, setting: CampaignContext) -> SequencePlan | None:
    """The named sequence, or the only one there is, of the catalogue's objects; None without a catalogue."""
    sequences, catalogue = setting.experiment.sequences, setting.catalogue
    if catalogue is None:
        return None
    chosen = sequences[name] if name is not None else next(iter(sequences.values()), None)
    return SequencePlan(catalogue.spec, chosen, setting.experiment.prefill)
