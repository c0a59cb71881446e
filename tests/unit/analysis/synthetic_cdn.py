"""Synthetic campaigns with regions and caches, for tests only. Nothing in them was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.analysis import Campaign, load
from harness.records.cache import CacheRecord, OriginCount
from harness.records.campaign import ArtifactRecord, Manifest
from harness.records.instance import InstanceRecord
from harness.records.network import BackboneRecord, RttRecord
from harness.records.trial import EventRecord, TrialRecord
from harness.records.variant import Variant
from harness.spec.event import EventSpec
from harness.spec.experiment import Experiment
from harness.spec.geography import PRESETS, Geography
from harness.store.folder import CampaignFolder
from harness.store.samples import CACHE
from tests.support.capabilities import REGISTERED
from tests.unit.analysis.synthetic import host, null_floor
from tests.unit.analysis.synthetic_records import DIGEST, record, requests

Change = Callable[[TrialRecord], TrialRecord]
S = 10**9
REGIONS = PRESETS["five-regions"].names
ORIGIN = "us-east"
NEAR_MS, FILL_MS = 2.0, 1.0
"""What an answer takes without any distance, and what a miss takes more."""
PRIVATE = 0.1
"""The share of requests that no cache may keep."""


@dataclass(frozen=True)
class Cdn:
    """A campaign of regions. ``hits``: the share of requests that each proxy answers from its cache."""

    proxies: Sequence[str] = ("direct", "varnish-cold", "varnish-warm")
    hits: Mapping[str, float] = field(default_factory=lambda: {"varnish-cold": 0.4, "varnish-warm": 0.8})
    target: str = "container"
    blocks: int = 3
    rate: float = 100.0
    seconds: float = 5.0
    prefill: int = 1000
    shield: str | None = None
    events: Sequence[EventSpec] = ()
    excess: int = 0
    """How many more requests the origin counts than are fetched."""
    change: Change | None = None

    def experiment(self) -> Experiment:
        warm = {"kind": "varnish", "cache": {"size_mib": 64}, "warm": True}
        return Experiment.of_stored(
            {
                "name": "synthetic-cdn",
                "question": "What does a synthetic CDN do for users far away?",
                "workload": "static",
                "matrix": {"targets": [self.target], "proxies": list(self.proxies)},
                "proxies": {name: warm | {"warm": name.endswith("warm")} for name in self.proxies if name != "direct"},
                "geography": {"preset": "five-regions", "origin": ORIGIN, "shield": self.shield},
                "sequences": {"zipf": {"requests": 100_000, "objects": 1000, "exponent": 0.9}},
                "prefill": self.prefill,
                "events": [event.model_dump(mode="json") for event in self.events],
                "baseline": self.target if "direct" in self.proxies else f"{self.target}-{self.proxies[0]}",
                "repeats": self.blocks,
                "load": {"rates_rps": [self.rate]},
            }
        )


def make_cdn(path: Path, made: Cdn | None = None, **options: object) -> Campaign:
    """The campaign of regions in a folder at ``path``, loaded."""
    made = replace(made or Cdn(), **options)  # type: ignore[arg-type]  # passed through as they are
    experiment = made.experiment()
    folder = stored_folder(path, experiment, "synthetic-cdn")
    rng = np.random.default_rng(5)
    begin_ns = 10**12
    for block in range(1, made.blocks + 1):
        for position, variant in enumerate(folder.manifest.variants, start=1):
            begin_ns += 1000 * S
            one = _cdn_trial(folder, made, experiment, variant, block, position, rng, begin_ns)
            folder.append(one if made.change is None else made.change(one))
    return load(path)


def stored_folder(path: Path, experiment: Experiment, name: str) -> CampaignFolder:
    """A new campaign's folder at ``path``, with its manifest and the floor, and no trial yet."""
    manifest = Manifest(
        campaign=name,
        created_utc="2026-01-01T00:00:00+00:00",
        tare_version="0.0.0",
        tare_commit="synthetic",
        command=("tare", "run", "synthetic"),
        experiment=experiment.model_dump(mode="json"),
        capabilities=REGISTERED,
        spec_digest="sha256:" + "00" * 32,
        seed=1,
        quick=False,
        host=host(),
        generator_cpus=(0,),
        service_cpus=(1,),
        artifacts={"origin": ArtifactRecord(digest=DIGEST, source="synthetic")},
        routes={"single": {"/": "origin"}},
        artifact_embedded=False,
        variants=tuple(
            Variant(
                name=one.name,
                workload=one.workload,
                target=one.target,
                proxy=one.proxy,
                cache_share=one.cache_share,
                aa=one.aa,
            )
            for one in experiment.variants
        ),
    )
    folder = CampaignFolder.create(path, manifest)
    folder.append(null_floor())
    return folder


def _cdn_trial(
    folder: CampaignFolder,
    made: Cdn,
    experiment: Experiment,
    variant: Variant,
    block: int,
    position: int,
    rng: np.random.Generator,
    begin_ns: int,
) -> TrialRecord:
    geography = experiment.geography
    assert geography is not None
    model = "vm" if made.target == "vm" else "container"
    level = f"{made.rate:g} rps"
    window = requests(rng, made.rate, made.seconds, NEAR_MS, begin_ns)
    parts, events = [window], []
    at_ns = begin_ns + round(made.seconds * S)
    hits = made.hits.get(variant.proxy)
    for spec in made.events if hits is not None else ():
        event = _event(spec, at_ns)
        tail = requests(rng, made.rate, (event.watched_until_ns - at_ns) / S, NEAR_MS, at_ns)
        tail = tail[tail["intended_ns"] >= at_ns]
        tail["phase"] = 2
        parts.append(tail)
        events.append(event)
        at_ns = event.watched_until_ns
    found = np.concatenate(parts)
    _at_a_distance(found, geography, hits, rng)
    _unreached(found, events)
    base = record(
        model, level, made.rate, block, position, rng, seconds=made.seconds, samples=window, begin_ns=begin_ns
    )
    pops = [f"proxy-{region}" for region in REGIONS] if hits is not None else []
    name = f"b{block}-{position:02d}-{variant.name}"
    fetched = _fetched(found)
    return replace(
        base,
        trial=name,
        variant=variant,
        instances=instances_of(base, variant, pops),
        events=tuple(events),
        rtts=tuple(_rtts(geography, pops, rng)),
        backbone=BackboneRecord(packets=9000, bytes=10**7, dropped=0, lost=0, late_p99_ns=200_000, cpu_ns=S),
        origin=OriginCount(requests=fetched + made.excess, bytes=12_000 * fetched),
        caches=tuple(
            CacheRecord(instance=pop, kind="varnish", policy="lru", size_bytes=64 << 20, effective_bytes=60 << 20)
            for pop in pops
        ),
        samples=folder.write_samples(name, found, ["object", "private"], REGIONS),
    )


def _at_a_distance(found: NDArray[np.void], geography: Geography, hits: float | None, rng: np.random.Generator) -> None:
    """Give each request a region, a size, and what the cache made of it, and so its latency."""
    count = len(found)
    found["region"] = rng.integers(0, len(REGIONS), count)
    found["task"] = rng.uniform(size=count) < PRIVATE
    found["bytes"] = rng.lognormal(9.4, 1.0, count)
    rtt_ns = np.array([max(geography.rtt_ms(region, ORIGIN), 0.05) * 1e6 for region in REGIONS])[found["region"]]
    hit = rng.uniform(size=count) < (hits or 0.0)
    word = np.where(hit, CACHE.index("hit"), CACHE.index("miss"))
    word[found["task"] == 1] = CACHE.index("pass")
    far = np.where(word == CACHE.index("hit"), 0.0, rtt_ns)
    if hits is not None:
        far += np.where(word == CACHE.index("hit"), 0.0, FILL_MS * 1e6)
        found["cache"] = word
    found["done_ns"] = found["done_ns"] + far.astype(np.int64)


def _unreached(found: NDArray[np.void], events: Sequence[EventRecord]) -> None:
    """Half a second of the requests of the killed PoP's region fail; then they go elsewhere."""
    for event in events:
        region = REGIONS.index(event.service.removeprefix("proxy-"))
        at = found["intended_ns"]
        lost = (found["region"] == region) & (at >= event.begin_ns) & (at < event.begin_ns + S // 2)
        found["outcome"][lost], found["status"][lost], found["cache"][lost] = 2, 0, 0


def _fetched(found: NDArray[np.void]) -> int:
    answered = found[found["outcome"] == 0]
    if not answered["cache"].any():
        return len(answered)
    return int(np.isin(answered["cache"], [CACHE.index("miss"), CACHE.index("pass")]).sum())


def _event(spec: EventSpec, from_ns: int) -> EventRecord:
    begin_ns = from_ns + round(spec.before_s * S)
    return EventRecord(
        kind=spec.kind,
        service=spec.service or "origin",
        instance=spec.service or "origin",
        routes=("/",),
        watched_from_ns=from_ns,
        begin_ns=begin_ns,
        done_ns=begin_ns + S,
        recovered_ns=begin_ns + 2 * S,
        watched_until_ns=begin_ns + round(spec.watch_s * S),
    )


def _rtts(geography: Geography, pops: Sequence[str], rng: np.random.Generator) -> list[RttRecord]:
    hosts = {"origin": ORIGIN, **{pop: pop.removeprefix("proxy-") for pop in pops}}
    found = []
    for region in REGIONS:
        for name, place in hosts.items():
            asked = geography.rtt_ms(region, place)
            median = asked + 0.06 + float(rng.uniform(0, 0.1))
            found.append(
                RttRecord(region=region, host=name, asked_ms=asked, median_ms=median, p99_ms=median + 0.4, echoes=20)
            )
    return found


def instances_of(base: TrialRecord, variant: Variant, pops: Sequence[str]) -> tuple[InstanceRecord, ...]:
    """The origin and its ``pops``, all with what ``base`` measured."""

    def made(name: str) -> InstanceRecord:
        proxy = name != "origin"
        return InstanceRecord(
            name=name,
            service="proxy" if proxy else "origin",
            role="proxy" if proxy else "service",
            target=variant.target,
            accelerator=base.accelerator,
            startup=base.startup,
            memory_idle=base.memory_idle,
            memory_load=base.memory_load,
            cpu=base.cpu,
        )

    return tuple(made(name) for name in ("origin", *pops))
