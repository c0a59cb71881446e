"""How long a trial takes, before it has run."""

from __future__ import annotations

from collections.abc import Mapping

from harness.planning.plan import PlannedTrial
from harness.spec.experiment import Experiment

STARTUP_GUESS_S: Mapping[str, float] = {"process": 1.0, "container": 2.0, "vm": 30.0, "swarm": 3.0, "fake": 0.05}
"""Seconds to the first response, as seen on a small host with emulated VMs; only for estimates of time."""

_OVERHEAD_S = 5.0
"""A trial's lab, generator start, digest and teardown, as seen on a small host."""

_REPLAY_RPS = 1200.0
_PREFILL_RPS = 300.0
"""Requests per second of one replaying connection, and of all that fill one cache beforehand, as seen there."""
_PACED_RPS: Mapping[str, float] = {"squid-cache": 250.0}
"""The same of a connection that waits for a cache's misses (harness.trial.load_plan)."""


def expected_s(trial: PlannedTrial, experiment: Experiment, startup_s: Mapping[str, float] = STARTUP_GUESS_S) -> float:
    """An estimate of how long a trial takes, in seconds: what it waits for by design, and guesses for the rest."""
    load = experiment.load
    events = experiment.events_of(trial.variant)
    proxy = experiment.proxy(trial.variant.proxy)
    if load.replay is not None:
        rate = _REPLAY_RPS if proxy is None else _PACED_RPS.get(proxy.kind, _REPLAY_RPS)
        wait = load.replay.requests / rate
    elif trial.kind == "calibration":
        wait = load.warmup_s + load.capacity_s
    else:
        wait = load.warmup_s + load.duration_s + sum(event.slot_s for event in events)
        wait += 0.0 if events else load.capacity_s
    if trial.kind == "measured":
        wait += experiment.settle_s
    if proxy is not None and proxy.warm:
        wait += experiment.prefill / _PREFILL_RPS
    return startup_s.get(trial.variant.target, 5.0) + wait + _OVERHEAD_S
