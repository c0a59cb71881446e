"""Synthetic campaigns of sets with proxies and events, for tests only. Nothing in them was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.analysis import Campaign, load
from harness.load.recorder import SAMPLE_DTYPE
from harness.records.campaign import ArtifactRecord, Manifest
from harness.records.instance import Digests, InstanceRecord
from harness.records.trial import EventRecord, TrialRecord
from harness.records.variant import Variant
from harness.spec.event import EventSpec
from harness.spec.experiment import Experiment
from harness.store.folder import CampaignFolder
from tests.support.capabilities import REGISTERED
from tests.unit.analysis.synthetic import host, null_floor
from tests.unit.analysis.synthetic_records import record, requests

Change = Callable[[TrialRecord], TrialRecord]
S = 10**9
TASKS = {"catalog_list": "/catalog", "catalog_item": "/catalog", "auth_login": "/auth", "pay": "/payments"}
ROUTES = {
    "monolith": {"/auth": "monolith", "/catalog": "monolith", "/payments": "monolith"},
    "microservices": {"/auth": "auth", "/catalog": "catalog", "/payments": "payments"},
    "polyglot": {"/auth": "auth", "/catalog": "catalog", "/payments": "payments-node"},
    "single": {"/": "svc"},
}
BACKSTAGE = {"monolith": ("broker",), "microservices": ("broker",), "polyglot": ("broker",), "single": ()}
ADDED_MS = {"direct": 0.0, "nginx": 0.4, "haproxy": 0.3, "squid": 0.9}


@dataclass(frozen=True)
class Made:
    """What the campaign is like. ``events`` are the experiment's; ``down_s`` is by kind of event and topology."""

    topologies: Sequence[str] = ("monolith", "microservices", "polyglot")
    targets: Sequence[str] = ("container",)
    proxies: Sequence[str] = ("direct", "nginx")
    replicas: Sequence[int] = (1,)
    events: Sequence[EventSpec] = (
        EventSpec(kind="kill", route="/payments"),
        EventSpec(kind="replace", route="/payments"),
    )
    blocks: int = 3
    rate: float = 100.0
    seconds: float = 5.0
    down_s: dict[str, float] = field(default_factory=lambda: {"kill": 2.0, "replace": 1.0, "restart": 1.5, "scale": 3})
    spread: Sequence[float] = (1 / 3, 1 / 3, 1 / 3)
    change: Change | None = None

    def experiment(self) -> dict[str, object]:
        return Experiment.of_stored(
            {
                "name": "synthetic",
                "question": "What does a synthetic set weigh?",
                "workload": "synthetic",
                "matrix": {
                    "topologies": list(self.topologies),
                    "targets": list(self.targets),
                    "proxies": list(self.proxies),
                    "replicas": list(self.replicas),
                },
                "baseline": self.variants()[0].name,
                "repeats": self.blocks,
                "events": [event.model_dump(mode="json") for event in self.events],
                "load": {"rates_rps": [self.rate]},
            }
        ).model_dump(mode="json")

    def variants(self) -> tuple[Variant, ...]:
        found = []
        for topology in self.topologies:
            for target in self.targets:
                for proxy in self.proxies:
                    for replicas in self.replicas if proxy != "direct" else (1,):
                        parts = [topology] if topology != "single" else []
                        parts += [target, *([proxy] if proxy != "direct" else [])]
                        parts += [f"x{replicas}"] if replicas > 1 else []
                        found.append(
                            Variant(
                                name="-".join(parts),
                                workload="synthetic",
                                topology=topology,
                                target=target,
                                proxy=proxy,
                                replicas=replicas,
                            )
                        )
        return tuple(found)


def make_sets(path: Path, made: Made | None = None, **options: object) -> Campaign:
    """The campaign in a folder at ``path``, loaded. VMs are emulated."""
    made = replace(made or Made(), **options)  # type: ignore[arg-type]  # passed through as they are
    services = {name for topology in made.topologies for name in (*ROUTES[topology].values(), *BACKSTAGE[topology])}
    variants = made.variants()
    manifest = Manifest(
        campaign="synthetic-sets",
        created_utc="2026-01-01T00:00:00+00:00",
        tare_version="0.0.0",
        tare_commit="synthetic",
        command=("tare", "run", "synthetic"),
        experiment=made.experiment(),
        capabilities=REGISTERED,
        spec_digest="sha256:" + "00" * 32,
        seed=1,
        quick=False,
        host=host(),
        generator_cpus=(0,),
        service_cpus=(1,),
        artifacts={name: ArtifactRecord(digest=digest_of(name), source="synthetic") for name in sorted(services)},
        routes={topology: ROUTES[topology] for topology in made.topologies},
        artifact_embedded=False,
        variants=variants,
    )
    folder = CampaignFolder.create(path, manifest)
    folder.append(null_floor())
    rng = np.random.default_rng(3)
    begin_ns = 10**12
    for block in range(1, made.blocks + 1):
        for position, variant in enumerate(variants, start=1):
            begin_ns += 1000 * S
            one = _trial(folder, made, variant, block, position, rng, begin_ns)
            folder.append(one if made.change is None else made.change(one))
    return load(path)


def digest_of(name: str) -> str:
    """Python services share one root file system; the one in Node has its own."""
    return "sha256:" + ("6e" if name.endswith("-node") else "5f") * 32


def _trial(
    folder: CampaignFolder,
    made: Made,
    variant: Variant,
    block: int,
    position: int,
    rng: np.random.Generator,
    begin_ns: int,
) -> TrialRecord:
    model = variant.target if variant.target in ("process", "vm") else "container"
    latency_ms = (12.0 if model == "vm" else 2.0) + ADDED_MS[variant.proxy]
    window = _tasked(requests(rng, made.rate, made.seconds, latency_ms, begin_ns), rng, variant)
    base = record(
        model,
        f"{made.rate:g} rps",
        made.rate,
        block,
        position,
        rng,
        seconds=made.seconds,
        samples=window,
        begin_ns=begin_ns,
    )
    happened, parts, tail_ns = [], [window], begin_ns + round(made.seconds * S)
    for spec in made.events:
        event = _event(spec, variant, made, tail_ns)
        parts.append(_watched(event, made, variant, rng, latency_ms))
        happened.append(event)
        tail_ns = event.watched_until_ns
    name = f"b{block}-{position:02d}-{variant.name}"
    tasks = ["index"] if variant.topology == "single" else list(TASKS)
    digest = "sha256:" + str(list(ROUTES).index(variant.topology)) * 64
    return replace(
        base,
        trial=name,
        variant=variant,
        artifact_digest=digest,
        digests=Digests(expected=digest, observed=digest),
        instances=_instances(variant, base),
        events=tuple(happened),
        served=_served(variant, made),
        path_checks={"direct": "EHOSTUNREACH", "forbidden": "403"} if variant.proxy == "squid" else {},
        propagation_ms=() if variant.topology == "single" else tuple(rng.lognormal(1.0, 0.3, 400).tolist()),
        samples=folder.write_samples(name, np.concatenate(parts), tasks),
    )


def _tasked(found: NDArray[np.void], rng: np.random.Generator, variant: Variant) -> NDArray[np.void]:
    count = 1 if variant.topology == "single" else len(TASKS)
    found["task"] = rng.choice(count, len(found), p=[1.0] if count == 1 else [0.5, 0.3, 0.1, 0.1])
    return found


def _event(spec: EventSpec, variant: Variant, made: Made, from_ns: int) -> EventRecord:
    routes = ROUTES[variant.topology]
    service = spec.service or routes.get(spec.route or "", next(iter(routes.values())))
    down_ns = round(made.down_s[spec.kind] * S)
    begin_ns = from_ns + round(spec.before_s * S)
    return EventRecord(
        kind=spec.kind,
        service=service,
        instance=f"{service}-{spec.replica}" if spec.replica > 1 else service,
        routes=tuple(path for path, name in routes.items() if name == service),
        watched_from_ns=from_ns,
        begin_ns=begin_ns,
        done_ns=begin_ns + down_ns // 2,
        recovered_ns=begin_ns + down_ns if spec.again else None,
        watched_until_ns=begin_ns + round(spec.watch_s * S),
    )


def _watched(
    event: EventRecord, made: Made, variant: Variant, rng: np.random.Generator, latency_ms: float
) -> NDArray[np.void]:
    """The load of one event's watch: what leads to its service fails meanwhile; of one replica of three, a tenth."""
    seconds = (event.watched_until_ns - event.watched_from_ns) / S
    found = requests(rng, made.rate, seconds, latency_ms, event.watched_from_ns)
    found = _tasked(found[found["intended_ns"] >= event.watched_from_ns], rng, variant)
    assert found.dtype == SAMPLE_DTYPE
    end_ns = event.recovered_ns or event.watched_until_ns
    meanwhile = (found["intended_ns"] >= event.begin_ns) & (found["intended_ns"] < end_ns)
    routes = ["/"] if variant.topology == "single" else [TASKS[task] for task in TASKS]
    hit = np.isin(found["task"], [i for i, route in enumerate(routes) if route in event.routes])
    share = 0.0 if event.kind == "scale" else 0.1 if variant.replicas > 1 else 1.0
    found["outcome"] = np.where(meanwhile & hit & (rng.uniform(size=len(found)) < share), 2, 0)
    found["status"] = np.where(found["outcome"] == 2, 0, 200)
    found["phase"] = 2
    return found


def _instances(variant: Variant, base: TrialRecord) -> tuple[InstanceRecord, ...]:
    whole = dict.fromkeys((*ROUTES[variant.topology].values(), *BACKSTAGE[variant.topology]))
    emulated = "tcg" if variant.target == "vm" else "none"
    found = []
    for place, service in enumerate(whole):
        copies = variant.replicas if service in ROUTES[variant.topology].values() else 1
        names = [service, *(f"{service}-{n}" for n in range(2, copies + 1))]
        found += [
            InstanceRecord(
                name=name,
                service=service,
                target=variant.target,
                accelerator=emulated,
                trigger_after_ns=place * S // 10,
                startup=base.startup,
                memory_idle=base.memory_idle,
                memory_load=base.memory_load,
                cpu=base.cpu,
            )
            for name in names
        ]
    if variant.proxy != "direct":
        found.append(
            InstanceRecord(
                name="proxy",
                service="proxy",
                role="proxy",
                target=variant.target,
                accelerator=emulated,
                startup=base.startup,
                memory_idle=base.memory_idle,
                memory_load=base.memory_load,
                cpu=base.cpu,
            )
        )
    return tuple(found)


def _served(variant: Variant, made: Made) -> dict[str, int]:
    if variant.proxy == "direct":
        return {}
    found = {}
    for service in dict.fromkeys(ROUTES[variant.topology].values()):
        if variant.replicas == 1:
            found[service] = 1000
        else:
            shares = made.spread[: variant.replicas]
            names = [service, *(f"{service}-{n}" for n in range(2, variant.replicas + 1))]
            found |= {name: round(1000 * share) for name, share in zip(names, shares, strict=True) if share}
    return found
