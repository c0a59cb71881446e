"""What simulated caches keep of an experiment's sequences: the very requests that its replays make."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from harness.errors import SpecError
from harness.records.cache import SIMULATION, CacheRecord, Simulated, SimulatedRatio
from harness.simulation.catalogue import Catalogue, requests
from harness.simulation.curves import Curves, curves_of, scratch
from harness.simulation.policies import ALL, POLICIES, Policy, chosen
from harness.simulation.records import BadRecords, Block, Progress, quiet
from harness.simulation.simulate import MissRatio, require_library, simulate
from harness.simulation.sizes import CacheSize
from harness.simulation.spool import Spool, make_spool
from harness.simulation.traces import Trace
from harness.spec.experiment import Experiment
from harness.spec.sequence import TraceSpec
from harness.units import MIB


@dataclass(frozen=True, slots=True)
class Replayed:
    """The requests of one sequence, mapped onto the catalogue. ``bad`` fills up while a trace is read."""

    name: str
    blocks: Iterator[Block]
    warm_up: Fraction
    bad: BadRecords | None


def replayed(experiment: Experiment, catalogue: Catalogue, name: str) -> Replayed:
    """What a replay of that sequence asks for: it begins after the ``prefill``, and its ``warmup`` is not counted.

    Without a replay it is the whole sequence, and the ``prefill`` is what is not counted (nothing of a trace is).
    Raises SpecError where the sequence does not fit the catalogue.
    """
    spec = experiment.sequences[name]
    source = Trace.of(Path(spec.trace), spec.format, spec.max_bad) if isinstance(spec, TraceSpec) else spec
    bad = source.bad if isinstance(source, Trace) else None
    if (replay := experiment.load.replay) is not None:
        blocks = requests(catalogue, source, experiment.prefill, replay.requests)
        return Replayed(name, blocks, Fraction(replay.warmup, replay.requests), bad)
    warm_up = Fraction(0) if isinstance(source, Trace) else Fraction(experiment.prefill, source.requests)
    return Replayed(name, requests(catalogue, source), warm_up, bad)


def sizes_of(experiment: Experiment, catalogue: Catalogue) -> tuple[CacheSize, ...]:
    """The capacities that the experiment asks for, the smallest first.

    They are the matrix's ``cache_shares`` of the catalogue, or those of its proxies. Raises SpecError if it has none.
    """
    shares = set(experiment.matrix.cache_shares)
    given = set()
    for proxy in map(experiment.proxy, experiment.matrix.proxies):
        cache = proxy.cache if proxy is not None else None
        if cache is not None and not experiment.matrix.cache_shares:
            shares |= {cache.size_share} if cache.size_share is not None else set()
            given |= {cache.size_mib} if cache.size_share is None else set()
    found = {_share_bytes(share, catalogue): f"{100 * share:g}%" for share in shares}
    found |= {int(mib * MIB): f"{mib:g}MiB" for mib in given}
    if not found:
        raise SpecError(
            f"{experiment.name} asks for no cache size.", "Give it matrix.cache_shares, or --sizes such as 0.1%,1%,10%."
        )
    return tuple(CacheSize(found[size], None, size) for size in sorted(found))


def of_catalogue(sizes: Sequence[CacheSize], catalogue: Catalogue) -> tuple[CacheSize, ...]:
    """The same sizes with shares taken of the catalogue, as the caches of an experiment take them."""
    return tuple(
        size if size.share is None else CacheSize(size.text, None, int(size.share * catalogue.bytes)) for size in sizes
    )


def experiment_curves(
    experiment: Experiment,
    catalogue: Catalogue,
    policies: Sequence[Policy],
    sizes: Sequence[CacheSize],
    *,
    jobs: int | None = None,
    progress: Progress = quiet,
) -> tuple[Curves, ...]:
    """Each sequence's curves, by its name. Raises what ``replayed`` and harness.simulation.curves.curves_of raise."""
    if not experiment.sequences:
        raise SpecError(f"{experiment.name} has no sequence to simulate.", "Give it [sequences.NAME].")
    found = []
    for name in experiment.sequences:
        one = replayed(experiment, catalogue, name)
        found.append(
            curves_of(
                one.blocks,
                name,
                policies,
                sizes,
                warm_up=one.warm_up,
                bad=one.bad,
                jobs=jobs,
                progress=progress,
            )
        )
    return tuple(found)


def simulate_experiment(
    experiment: Experiment,
    catalogue: Catalogue,
    caches: Iterable[CacheRecord],
    *,
    policies: Sequence[Policy] | None = None,
    jobs: int | None = None,
    progress: Progress = quiet,
) -> Simulated:
    """Every policy at every size that was asked for, and that of each real cache at its effective capacity.

    On each sequence of the experiment, the same requests in the same order, the same warm-up left out. ``caches``: the
    real ones, as their trials recorded them; doubled ones count once. Raises Unavailable without libCacheSim, SpecError
    for a sequence that does not fit, StoreError where the disk of TMPDIR is full.
    """
    require_library()
    everyone = chosen(ALL) if policies is None else tuple(policies)
    real = tuple({_key(cache): cache for cache in caches}.values())
    ratios: list[SimulatedRatio] = []
    notes: dict[str, None] = {}
    asked = _asked(real, experiment, catalogue)
    counted = (0, 0)
    for name in experiment.sequences:
        one = replayed(experiment, catalogue, name)
        with scratch() as folder:
            future = any(policy.future for policy in everyone)
            spool = make_spool(
                one.blocks, Path(folder), name=name, warm_up=one.warm_up, future=future, progress=progress
            )
            counted = (spool.requests, spool.warm_up)
            run = _Run(spool, name, jobs or len(os.sched_getaffinity(0)), progress)
            curves = run.curves(everyone, asked, one.bad)
            ratios += [_ratio(found, name, asked[found.cache_bytes]) for found in curves.ratios]
            ratios += run.matched(real)
        notes |= dict.fromkeys(f"{name}: {note}" for note in curves.notes())
        if one.bad is not None and one.bad.count:
            notes[f"{name}: {one.bad.count} bad records of the trace were left out."] = None
    return Simulated(
        catalogue_bytes=catalogue.bytes,
        requests=counted[0],
        warmup=counted[1],
        ratios=tuple(ratios),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """Simulations on one sequence."""

    spool: Spool
    name: str
    jobs: int
    progress: Progress

    def curves(self, policies: Sequence[Policy], asked: Mapping[int, float | None], bad: BadRecords | None) -> Curves:
        sizes = sorted(size for size in asked if size >= self.spool.smallest)
        results = simulate(self.spool, policies, sizes, jobs=self.jobs, progress=self.progress)
        texts = [(f"{size:,} bytes" if (share := asked[size]) is None else f"{100 * share:g}%", size) for size in sizes]
        return Curves.of(self.name, self.spool, texts, results, bad)

    def matched(self, caches: Sequence[CacheRecord]) -> Iterator[SimulatedRatio]:
        """Each real cache's policy at the capacity that it really has."""
        for policy in dict.fromkeys(cache.policy for cache in caches):
            shares = {
                cache.effective_bytes: cache.share
                for cache in caches
                if cache.policy == policy and cache.effective_bytes and cache.effective_bytes >= self.spool.smallest
            }
            simulated = POLICIES.get(SIMULATION.get(policy, ""))
            if simulated is None or not shares:
                continue
            for found in simulate(self.spool, [simulated], sorted(shares), jobs=self.jobs, progress=self.progress):
                if isinstance(found, MissRatio):
                    yield _ratio(found, self.name, shares[found.cache_bytes], matched=True)


def _asked(caches: Sequence[CacheRecord], experiment: Experiment, catalogue: Catalogue) -> dict[int, float | None]:
    """The sizes in bytes that were asked for, each with its share of the catalogue if it was given as one."""
    if caches:
        return {cache.size_bytes: cache.share for cache in caches}
    shares: dict[int, float | None] = {_share_bytes(s, catalogue): s for s in experiment.matrix.cache_shares}
    return shares or {size.bytes: None for size in sizes_of(experiment, catalogue)}


def _key(cache: CacheRecord) -> tuple[object, ...]:
    return cache.policy, cache.size_bytes, cache.effective_bytes


def _share_bytes(share: float, catalogue: Catalogue) -> int:
    return int(share * catalogue.bytes)


def _ratio(found: MissRatio, sequence: str, share: float | None, *, matched: bool = False) -> SimulatedRatio:
    return SimulatedRatio(
        policy=found.policy,
        sequence=sequence,
        cache_share=share,
        effective_bytes=found.cache_bytes,
        by_requests=found.by_requests,
        by_bytes=found.by_bytes,
        matched=matched,
    )
