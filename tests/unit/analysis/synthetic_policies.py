"""Synthetic campaigns of replays through caches, for tests only. Nothing in them was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from harness.analysis import Campaign, load
from harness.records.cache import SIMULATION, CacheRecord, OriginCount, Simulated, SimulatedRatio
from harness.records.load import ReplayRecord
from harness.records.trial import TrialRecord
from harness.records.variant import Variant
from harness.spec.experiment import Experiment
from harness.spec.matrix import variant_name
from harness.store.folder import CampaignFolder
from harness.store.samples import CACHE
from tests.unit.analysis.synthetic_cdn import FILL_MS, NEAR_MS, Change, S, instances_of, stored_folder
from tests.unit.analysis.synthetic_records import record, requests

CATALOGUE_BYTES = 100_000_000


@dataclass(frozen=True)
class Policies:
    """A campaign of replays. ``hit_ratios``: each proxy's at the first size; the next sizes' are 0.1 higher each.

    ``simulated``: what each policy's simulation keeps, likewise; empty: nothing was simulated.
    """

    proxies: Sequence[tuple[str, str, str]] = (
        ("varnish-lru", "varnish", "lru"),
        ("varnish-fifo", "varnish", "fifo"),
        ("squid-lru", "squid-cache", "lru"),
        ("squid-lfuda", "squid-cache", "lfuda"),
        ("nginx-lru", "nginx-cache", "lru"),
        ("ats-clfus", "trafficserver", "clfus"),
    )
    hit_ratios: Mapping[str, float] = field(
        default_factory=lambda: {
            "varnish-lru": 0.40,
            "varnish-fifo": 0.34,
            "squid-lru": 0.395,
            "squid-lfuda": 0.46,
            "nginx-lru": 0.37,
            "ats-clfus": 0.45,
        }
    )
    simulated: Mapping[str, float] = field(
        default_factory=lambda: {"LRU": 0.40, "FIFO": 0.34, "LFUDA-textbook": 0.45, "S3-FIFO": 0.44, "Belady": 0.6}
    )
    shares: Sequence[float] = (0.01, 0.1)
    sequences: Sequence[str] = ("steady", "scans")
    blocks: int = 2
    requests: int = 2000
    warmup: int = 500
    jitter: float = 0.0005
    why_not: str = ""
    change: Change | None = None

    def experiment(self) -> Experiment:
        sequence = {"requests": self.requests, "objects": 1000, "exponent": 0.9}
        return Experiment.of_stored(
            {
                "name": "synthetic-policies",
                "question": "What does each policy keep?",
                "workload": "static",
                "matrix": {
                    "targets": ["container"],
                    "proxies": [name for name, *_ in self.proxies],
                    "cache_shares": list(self.shares),
                },
                "proxies": {name: {"kind": kind, "cache": {"policy": policy}} for name, kind, policy in self.proxies},
                "sequences": dict.fromkeys(self.sequences, sequence),
                "baseline": variant_name("single", "container", self.proxies[0][0], 1, self.shares[0]),
                "repeats": self.blocks,
                "load": {"replay": {"requests": self.requests, "warmup": self.warmup}},
            }
        )


def make_policies(path: Path, made: Policies | None = None, **options: object) -> Campaign:
    """The campaign of replays in a folder at ``path``, loaded."""
    made = replace(made or Policies(), **options)  # type: ignore[arg-type]  # passed through as they are
    folder = stored_folder(path, made.experiment(), "synthetic-policies")
    rng = np.random.default_rng(6)
    begin_ns = 10**12
    for block in range(1, made.blocks + 1):
        for level in made.sequences:
            for position, variant in enumerate(folder.manifest.variants, start=1):
                begin_ns += 1000 * S
                one = _replay_trial(folder, made, variant, level, block, position, rng, begin_ns)
                folder.append(one if made.change is None else made.change(one))
    if made.why_not:
        folder.write_simulated(Simulated(why_not=made.why_not, remedy="install it"))
    elif made.simulated:
        folder.write_simulated(_simulated(made))
    return load(path)


def _replay_trial(
    folder: CampaignFolder,
    made: Policies,
    variant: Variant,
    level: str,
    block: int,
    position: int,
    rng: np.random.Generator,
    begin_ns: int,
) -> TrialRecord:
    share = variant.cache_share or 0.0
    ratio = made.hit_ratios[variant.proxy] + 0.1 * list(made.shares).index(share) + float(rng.normal(0, made.jitter))
    found = requests(rng, made.requests / 5, 5.0, NEAR_MS, begin_ns)[: made.requests]
    found["intended_ns"] = found["sent_ns"]
    found["task"] = 0
    found["phase"] = np.where(np.arange(len(found)) < made.warmup, 0, 1)
    # Exactly that share of hits: the sequence is the same in every trial.
    order = rng.permutation(len(found) - made.warmup)
    hit = np.zeros(len(found), np.bool_)
    hit[made.warmup :] = order < round(ratio * len(order))
    found["cache"] = np.where(hit, CACHE.index("hit"), CACHE.index("miss"))
    found["done_ns"] += np.where(hit, 0, int(FILL_MS * 1e6))
    found["bytes"] = 10_000
    base = record("container", level, 0.0, block, position, rng, samples=found, begin_ns=begin_ns)
    name = f"b{block}-{position:02d}-{variant.name}-{level}"
    _, kind, policy = next(proxy for proxy in made.proxies if proxy[0] == variant.proxy)
    misses = int((~hit).sum())
    return replace(
        base,
        trial=name,
        variant=variant,
        level=level,
        capacity=None,
        instances=instances_of(base, variant, ("proxy",)),
        origin=OriginCount(requests=misses, bytes=10_000 * misses),
        caches=(
            CacheRecord(
                instance="proxy",
                kind=kind,
                policy=policy,
                size_bytes=int(share * CATALOGUE_BYTES),
                share=share,
                effective_bytes=int(0.95 * share * CATALOGUE_BYTES),
            ),
        ),
        replay=ReplayRecord(
            sequence=level,
            requests=len(found),
            warmup=made.warmup,
            window_begin_ns=begin_ns,
            window_end_ns=begin_ns + 5 * S,
            miss_bytes_per_s=0.15 * share * CATALOGUE_BYTES if kind == "squid-cache" else 0.0,
        ),
        samples=folder.write_samples(name, found, ["object"]),
    )


def _simulated(made: Policies) -> Simulated:
    ratios = []
    for sequence in made.sequences:
        for place, share in enumerate(made.shares):
            for policy, ratio in made.simulated.items():
                real = policy in SIMULATION.values()
                for matched in (False, True) if real else (False,):
                    size = share * CATALOGUE_BYTES * (0.95 if matched else 1)
                    missed = 1 - (ratio + 0.1 * place)
                    ratios.append(
                        SimulatedRatio(
                            policy=policy,
                            sequence=sequence,
                            cache_share=share,
                            effective_bytes=int(size),
                            by_requests=missed,
                            by_bytes=missed,
                            matched=matched,
                        )
                    )
    return Simulated(
        catalogue_bytes=CATALOGUE_BYTES,
        requests=made.requests,
        warmup=made.warmup,
        ratios=tuple(ratios),
        notes=("A note.",),
    )
