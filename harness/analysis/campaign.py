"""A campaign's folder, read: typed frames of what was measured and of what follows from it.

Columns (``n``, ``low``, ``high``: see harness.analysis.intervals; units stand in the names):

``trials``
    one row per attempt, in journal order: trial, kind, block, position, attempt, variant, workload, topology, target,
    proxy, accelerator, level, outcome, replicas, cache_share, valid, reasons (a tuple of words), counts (whether
    summaries use it: the latest valid attempt of its block), and one column per metric of harness.units, NaN where it
    was not measured.
``samples``
    one row per answered request of the measured window of a trial that counts: trial, variant, level, task, status,
    outcome, bytes, region (empty without regions), cache (harness.store.samples.CACHE), since_begin_s (of the intended
    time, since the window's begin), latency_ms, service_time_ms.
``summaries``
    variant, level, metric, n, median, low, high.
``comparisons``
    variant, baseline, level, metric, n (pairs), ratio, low, high, cliffs_delta, p_worse, noise_floor (a factor, NaN
    without an A/A pair), verdict: ``worse``, ``better``, ``not resolved`` or ``no interval``. The second of an A/A pair
    is compared with the first.
``phases``
    trial, variant, phase (named for what ends it), begin_s, end_s, duration_s; of the trials that count.
``memory``
    trial, variant, moment (idle, load), view, part, mib; of the trials that count. View ``pss`` adds up to the memory
    figure; a VM's ``vmm`` is told apart into guest_ram, emulator_cache and the rest. View ``cgroup`` is by kind
    (page_tables are part of kernel on cgroup v2), ``cgroup_total`` its sums, ``engine`` the daemons' growth, ``inside``
    the guest's own, never to be compared with the others.
``instances``
    one row per instance of a trial that counts: trial, variant, level, instance, service, role (service, proxy),
    target, accelerator, startup_s (from its own trigger), ready_after_s (since the deployment's first trigger),
    memory_mib, memory_load_mib, cpu_ms_per_request (its CPU time over the requests that the deployment answered).
``served``
    one row per instance behind a proxy: trial, variant, level, instance, service, replicas, requests, share (of its
    service's).
``proxies``
    what a proxy adds to the latency of the same variant without one and with one replica, paired by block: variant,
    direct, proxy, level, metric, n, added_ms (mean difference), low, high, verdict (as of a comparison).
``events``
    one row per event of a trial that counts: trial, variant, level, number (from 1), kind, service, instance, begin_s
    (since the measured window's begin), down_s (begin to the first correct response after it; NaN), recovered,
    slow_above_ms, requests_, failed_ and slow_ before, during and after it, note.
``event_requests``
    trial, variant, level, number, kind, moment (before, during, after), task, requests, failed (no response, an
    unexpected one, or dropped), slow, latency_p50_ms, latency_p99_ms (of those that did not fail).
``timeline``
    trial, variant, level, number, kind, since_event_s (the bin's begin), answered, failed, slow; per bin of 0.25 s.
``regions``
    latency of the measured window: trial, variant, level, block, region, cache (all; hit, stale ones included; miss:
    whatever waited for the origin or for another's fetch), requests, latency_p50_ms, latency_p99_ms (NaN: too few).
``rtts``
    one row per region and host of a trial that counts: trial, variant, level, block, region, host, role (origin, pop),
    own (whether that region's clients are sent to it), asked_ms, median_ms, p99_ms, echoes.
``caches``
    one row per trial that counts and has caches, or an origin that counts: trial, variant, level, proxy, kind, policy
    (both empty without a cache), block, caches (how many), cache_share, size_bytes, effective_bytes (each one's), then
    over all of the load answered, served, stale, missed, passed, collapsed, errors, origin_requests, origin_bytes,
    excess (origin_requests - missed - passed; without a cache - answered), offload; and of the measured window
    hit_ratio, byte_hit_ratio, hit_p50_ms, miss_p50_ms.
``policies``
    one row per variant with one cache and replayed sequence: variant, level, proxy, kind, policy, cache_share,
    size_bytes, effective_bytes, n, hit_ratio and byte_hit_ratio (each with _low and _high), simulated_policy (empty: it
    has none), simulated and simulated_bytes (hit ratios), points and byte_points (real less simulated, in percentage
    points, each with _low and _high), limit_points (NaN: it decides nothing).
``simulated``
    policy, sequence, cache_share, effective_bytes, hit_ratio, byte_hit_ratio, matched (at a real cache's capacity).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from harness.analysis import caches, comparisons, events, frames, instances, proxies, regions
from harness.analysis.metrics import metrics_of
from harness.analysis.selection import counted
from harness.analysis.validity import judge_record
from harness.clock import NS_PER_MS
from harness.records.cache import Simulated
from harness.records.campaign import Manifest
from harness.records.load import Levels, NullFloor
from harness.records.trial import TrialRecord
from harness.spec.experiment import Experiment
from harness.store.folder import CampaignFolder


@dataclass(frozen=True)
class Campaign:
    """What ``load`` gives. ``trials`` is ready; the other frames are computed once, when first asked for."""

    folder: CampaignFolder
    experiment: Experiment
    null: NullFloor | None
    records: tuple[TrialRecord, ...]
    trials: pd.DataFrame

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def manifest(self) -> Manifest:
        return self.folder.manifest

    @cached_property
    def rates(self) -> Levels | None:
        """What the load levels stand for; None before they were found."""
        return self.folder.levels()

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """The load levels with a measured attempt, from the lowest rate to the highest."""
        rates: dict[str, float] = {}
        for record in self.records:
            if record.kind == "measured":
                known = rates.get(record.level)
                rates[record.level] = known or (record.load.target_rps if record.load is not None else 0.0)
        return tuple(sorted(rates, key=lambda level: rates[level]))

    @cached_property
    def counted(self) -> pd.DataFrame:
        """The rows of ``trials`` that count."""
        return self.trials[self.trials["counts"]]

    @cached_property
    def counted_records(self) -> tuple[TrialRecord, ...]:
        return tuple(record for record, counts in zip(self.records, self.trials["counts"], strict=True) if counts)

    @cached_property
    def samples(self) -> pd.DataFrame:
        return frames.samples(self.counted_records, self.folder.samples)

    @cached_property
    def summaries(self) -> pd.DataFrame:
        return comparisons.summaries(self.counted)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        return comparisons.comparisons(self.counted, self.manifest.variants, self.experiment.baseline)

    @cached_property
    def phases(self) -> pd.DataFrame:
        return frames.phases(self.counted_records)

    @cached_property
    def memory(self) -> pd.DataFrame:
        return frames.memory(self.counted_records)

    @cached_property
    def instances(self) -> pd.DataFrame:
        return instances.instances(self.counted_records, self.folder.samples)

    @cached_property
    def served(self) -> pd.DataFrame:
        return instances.served(self.counted_records)

    @cached_property
    def proxies(self) -> pd.DataFrame:
        return proxies.added(self.counted, self.manifest.variants)

    @cached_property
    def events(self) -> pd.DataFrame:
        return events.events(self.counted_records, self.folder.samples)

    @cached_property
    def event_requests(self) -> pd.DataFrame:
        return events.event_requests(self.counted_records, self.folder.samples)

    @cached_property
    def timeline(self) -> pd.DataFrame:
        return events.timeline(self.counted_records, self.folder.samples)

    @cached_property
    def regions(self) -> pd.DataFrame:
        return regions.regions(self.counted_records, self.folder.samples)

    @cached_property
    def rtts(self) -> pd.DataFrame:
        return regions.rtts(self.counted_records, self.experiment.geography)

    @cached_property
    def caches(self) -> pd.DataFrame:
        return caches.caches(self.counted_records, self.folder.samples)

    @cached_property
    def simulation(self) -> Simulated | None:
        """What was simulated beside the campaign, or why nothing was; None if nobody asked."""
        return self.folder.simulated()

    @cached_property
    def simulated(self) -> pd.DataFrame:
        return caches.simulated(self.simulation)

    @cached_property
    def policies(self) -> pd.DataFrame:
        replayed = {record.level: record.replay.sequence for record in self.counted_records if record.replay}
        return caches.policies(self.caches, replayed, self.simulation)

    def accelerator(self, variant: str) -> str:
        """What executed this variant's guest instructions: ``kvm``, ``tcg`` (emulated), or ``none``.

        A set's is ``tcg`` if any of its instances was emulated.
        """
        found = {frames.accelerator_of(record) for record in self.records if record.variant.name == variant}
        return next((name for name in ("tcg", "kvm") if name in found), "none")

    def is_emulated(self, variant: str) -> bool:
        return self.accelerator(variant) == "tcg"

    def label(self, variant: str) -> str:
        """The variant's name for a person, with ``(emulated)`` wherever its machine was."""
        return f"{variant} (emulated)" if self.is_emulated(variant) else variant


def load(path: str | Path) -> Campaign:
    """Read the campaign in the folder ``path``, finished or not.

    Raises StoreError if there is none, if another version of Tare wrote it, or if it is damaged.
    """
    folder = CampaignFolder.open(Path(path))
    experiment = folder.experiment()
    records = tuple(folder.trials())
    figures = [metrics_of(record, folder.samples(record)) for record in records]
    reasons = [
        judge_record(record, _p99_ns(values), experiment.validity)
        for record, values in zip(records, figures, strict=True)
    ]
    trials = frames.trials(records, reasons, counted(records, reasons), figures)
    return Campaign(folder, experiment, folder.null_floor(), records, trials)


def _p99_ns(figures: dict[str, float]) -> int | None:
    value = figures.get("latency_p99_ms")
    return None if value is None else round(value * NS_PER_MS)
