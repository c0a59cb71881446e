"""Synthetic campaign folders, for tests only. Nothing in them was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from harness.analysis import Campaign, load
from harness.records.campaign import ArtifactRecord, Manifest, UnavailableTarget
from harness.records.host import HostRecord
from harness.records.load import NullFloor
from harness.records.trial import Failure, TrialRecord
from harness.store.folder import CampaignFolder
from tests.support.capabilities import REGISTERED
from tests.unit.analysis.synthetic_records import DIGEST, HOST_BOOT, MODELS, record, requests, variant

Change = Callable[[TrialRecord], TrialRecord]


def host(accelerator: str = "tcg") -> HostRecord:
    return HostRecord(
        hostname="synthetic",
        kernel="6.1.0-host",
        boot_id=HOST_BOOT,
        os="Synthetic 1",
        cpu_model="synthetic CPU",
        cpus=2,
        memory_total=24 << 30,
        swap_total=0,
        cgroup_version="v2",
        governor="unknown",
        turbo="unknown",
        smt="unknown",
        virtualisation="kvm",
        accelerator=accelerator,
        accelerator_reason="synthetic",
        ksm="off",
        thp="madvise",
        root=True,
        process_count=80,
        engines={"docker": "20.10.24", "libvirt": "9.0.0"},
    )


def manifest(
    variants: Sequence[str],
    levels_rps: Sequence[float],
    *,
    aa: str | None = None,
    accelerator: str = "tcg",
    baseline: str | None = None,
    blocks: int = 5,
    unavailable: Sequence[UnavailableTarget] = (),
    experiment: Mapping[str, object] = MappingProxyType({}),
) -> Manifest:
    """``experiment`` goes over what the experiment's file has otherwise."""
    targets = [name for name in variants if not name.endswith("-aa")]
    return Manifest(
        campaign="synthetic",
        created_utc="2026-01-01T00:00:00+00:00",
        tare_version="0.0.0",
        tare_commit="synthetic",
        command=("tare", "run", "synthetic"),
        experiment={
            "name": "synthetic",
            "question": "What does a synthetic box weigh?",
            "workload": "synthetic",
            "matrix": {"targets": targets, "aa": aa},
            "baseline": baseline or targets[0],
            "repeats": max(blocks, 1),
            "load": {"rates_rps": list(levels_rps)},
            **experiment,
        },
        capabilities=REGISTERED,
        spec_digest="sha256:" + "00" * 32,
        seed=1,
        quick=False,
        host=host(accelerator),
        generator_cpus=(0,),
        service_cpus=(1,),
        artifacts={"svc": ArtifactRecord(digest=DIGEST, source="synthetic")},
        artifact_embedded=False,
        variants=tuple(variant(name) for name in variants),
        unavailable=tuple(unavailable),
        prepare_s=dict.fromkeys(targets, 1.0),
    )


def make_folder(
    path: Path,
    *,
    variants: Sequence[str] = ("process", "container", "vm"),
    blocks: int = 5,
    levels_rps: Sequence[float] = (100.0,),
    aa: str | None = None,
    accelerator: str = "tcg",
    baseline: str | None = None,
    seed: int = 1,
    spread: float = 0.05,
    seconds: float = 10.0,
    with_samples: bool = True,
    change: Change | None = None,
    unavailable: Sequence[UnavailableTarget] = (),
    null: bool = True,
    experiment: Mapping[str, object] = MappingProxyType({}),
) -> CampaignFolder:
    """A synthetic campaign's folder. ``change`` may replace a record before it is journalled; ``aa`` adds the pair.

    ``experiment`` goes over what the experiment's file has otherwise.
    """
    rng = np.random.default_rng(seed)
    names = [*variants, *([f"{aa}-aa"] if aa else [])]
    plan = manifest(
        names,
        levels_rps,
        aa=aa,
        accelerator=accelerator,
        baseline=baseline,
        blocks=blocks,
        unavailable=unavailable,
        experiment=experiment,
    )
    folder = CampaignFolder.create(path, plan)
    if null:
        folder.append(null_floor())
    begin_ns = 10**12
    for block in range(1, blocks + 1):
        cells = [(name, rate) for name in names for rate in levels_rps]
        for position, index in enumerate(rng.permutation(len(cells)), start=1):
            name, rate = cells[index]
            begin_ns += 10**11
            raw = None
            if with_samples:
                raw = requests(rng, rate, seconds, MODELS[variant(name).target].latency_ms, begin_ns)
            made = record(
                name,
                f"{rate:g} rps",
                rate,
                block,
                position,
                rng,
                accelerator=accelerator,
                spread=spread,
                seconds=seconds,
                samples=raw,
                begin_ns=begin_ns,
            )
            if raw is not None:
                made = replace(made, samples=folder.write_samples(f"{made.trial}-a1", raw, ["item", "echo"]))
            folder.append(made if change is None else change(made))
    return folder


def make_campaign(path: Path, **options: object) -> Campaign:
    """``make_folder``, then ``load``."""
    make_folder(path, **options)  # type: ignore[arg-type]  # passed through as they are
    return load(path)


def null_floor() -> NullFloor:
    return NullFloor(
        rate_rps=100.0,
        latency_p50_ms=0.15,
        latency_p99_ms=0.4,
        service_time_p50_ms=0.12,
        send_lag_p99_ms=0.05,
        highest_rate_rps=5000.0,
    )


def failed(
    made: TrialRecord, what: str = "The service ended with exit code 1.", logs: str = "synthetic: boom"
) -> TrialRecord:
    """The same attempt, had its deployment failed."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("startup", "memory_idle", "memory_load", "cpu", "load", "capacity", "noise", "inside", "samples")
    )
    failure = Failure(kind="DeployError", what=what, remedy="Read its log.", logs=logs)
    return replace(made, **nothing, digests=None, responses={}, outcome="failed", failure=failure)


def invalid(made: TrialRecord, reason: str = "steal 3.0 % of the window, limit 2 %") -> TrialRecord:
    return replace(made, invalid=(reason,))
