"""Writes small made-up campaigns as real folders, so that a report is tested on what ``load`` gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from harness.records.campaign import ArtifactRecord, Manifest, UnavailableTarget
from harness.records.host import HostRecord
from harness.records.instance import Digests, Footprint, InsideView
from harness.records.load import LoadFacts, NullFloor
from harness.records.memory import CgroupMemory, GuestMemory, MemoryView
from harness.records.startup import Startup, StartupPhase
from harness.records.trial import Failure, TrialRecord
from harness.records.variant import Variant
from harness.records.window import Cpu, Noise
from harness.store.folder import CampaignFolder
from harness.units import MIB

S = 1_000_000_000
PHASES = {
    "process": ("spawned", "listening", "first_response"),
    "container": ("created", "started", "listening", "first_response"),
    "vm": ("defined", "qemu_running", "kernel", "user_space", "service_started", "listening", "first_response"),
}
STARTUP_S = {"process": 0.31, "container": 0.52, "vm": 31.0}
LATENCY_MS = {"process": 1.1, "container": 1.3, "vm": 9.0}
PSS_MIB = {"process": {"app": 60}, "container": {"app": 60, "shim": 9, "proxy": 3}, "vm": {"vmm": 520}}
FOOTPRINT_MIB = {
    "process": {"directory": 210},
    "container": {"image": 214},
    "vm": {"guest disk": 700, "workload disk": 230, "kernel": 8},
}
DIGEST = "sha256:" + "c" * 64


@dataclass(frozen=True)
class Made:
    """What a made-up campaign is like. ``fail`` and ``spoil`` are (block, variant) that fail or are invalid."""

    targets: Sequence[str] = ("process", "container", "vm")
    levels: Sequence[str] = ("100rps",)
    blocks: int = 3
    requests: int = 600
    aa: str | None = "process"
    question: str = "What does each way to deploy cost the hello service?"
    fail: Sequence[tuple[int, str]] = ()
    spoil: Sequence[tuple[int, str]] = ()
    fail_all: bool = False
    logs: str = "starting\nTraceback: no such file\n"
    null: bool = True
    limited: bool = True
    unavailable: Sequence[UnavailableTarget] = field(default_factory=tuple)

    def variants(self) -> tuple[Variant, ...]:
        plain = [Variant(name=name, workload="hello", target=name) for name in self.targets]
        pair = [Variant(name=f"{self.aa}-aa", workload="hello", target=self.aa, aa=True)] if self.aa else []
        return (*plain, *pair)


def write_campaign(path: Path, made: Made | None = None) -> Path:
    """A campaign's folder at ``path``. VMs are emulated. Returns ``path``."""
    made = made or Made()
    folder = CampaignFolder.create(path, _manifest(made))
    rng = np.random.default_rng(7)
    if made.null:
        folder.append(
            NullFloor(
                rate_rps=300,
                latency_p50_ms=0.21,
                latency_p99_ms=0.9,
                service_time_p50_ms=0.19,
                send_lag_p99_ms=0.04,
                highest_rate_rps=8000,
            )
        )
    for block in range(made.blocks):
        cells = [(variant, level) for variant in made.variants() for level in made.levels]
        for position, (variant, level) in enumerate(cells):
            name = f"b{block:02d}-{variant.name}-{level}"
            factor = float(rng.normal(1.0, 0.02))
            failed = made.fail_all or (block, variant.name) in made.fail
            samples = None if failed else folder.write_samples(name, _requests(rng, variant, made, factor), ["GET /"])
            folder.append(_record(made, name, block, position, variant, level, factor, failed, samples))
    return path


def _manifest(made: Made) -> Manifest:
    host = HostRecord(
        hostname="box",
        kernel="6.1.0-31-amd64",
        boot_id="1b4e28ba",
        os="Debian GNU/Linux 12",
        cpu_model="Some CPU @ 2.40 GHz",
        cpus=2,
        memory_total=24 << 30,
        swap_total=0,
        cgroup_version="1",
        governor="unknown",
        turbo="unknown",
        smt="off",
        virtualisation="kvm",
        accelerator="tcg",
        accelerator_reason="no guest kernel reached user space within 10 s",
        ksm="off",
        thp="madvise",
        root=True,
        process_count=99,
        engines={"docker": "20.10.24", "libvirt": "9.0.0", "qemu": "7.2.9"},
    )
    return Manifest(
        campaign="20261124-made-up",
        created_utc="2026-11-24T04:00:00Z",
        tare_version="0.1.0",
        tare_commit="0123abc",
        command=("tare", "run", "benches/quickstart.toml"),
        experiment={
            "name": "quickstart",
            "question": made.question,
            "workload": "hello",
            "matrix": {"targets": list(made.targets), "aa": made.aa},
            "baseline": made.targets[0],
            "repeats": made.blocks,
            "load": {"rates_rps": [100.0]},
            "validity": {"max_steal": 0.05},
        },
        spec_digest="sha256:" + "a" * 64,
        seed=7,
        quick=True,
        host=host,
        generator_cpus=(0,),
        service_cpus=(1,),
        artifacts={"svc": ArtifactRecord(digest=DIGEST, source="workload hello")},
        artifact_embedded=False,
        variants=made.variants(),
        unavailable=tuple(made.unavailable),
        prepare_s={"container": 3.4, "vm": 42.1},
    )


def _requests(rng: np.random.Generator, variant: Variant, made: Made, factor: float) -> np.ndarray:
    """The generator's records: Poisson arrivals, all answered."""
    count = made.requests
    requests = np.zeros(
        count,
        dtype=[
            ("intended_ns", "i8"),
            ("sent_ns", "i8"),
            ("done_ns", "i8"),
            ("phase", "u1"),
            ("outcome", "u1"),
            ("status", "i4"),
            ("task", "u2"),
            ("bytes", "i8"),
            ("region", "u1"),
            ("cache", "u1"),
        ],
    )
    requests["intended_ns"] = S + np.cumsum(rng.exponential(0.01 * S, count)).astype(np.int64)
    requests["sent_ns"] = requests["intended_ns"] + 20_000
    latency_ms = rng.lognormal(np.log(LATENCY_MS[variant.target] * factor), 0.4, count)
    requests["done_ns"] = requests["sent_ns"] + (latency_ms * 1e6).astype(np.int64)
    requests["phase"], requests["status"], requests["bytes"] = 1, 200, 120
    return requests


def _record(
    made: Made,
    name: str,
    block: int,
    position: int,
    variant: Variant,
    level: str,
    factor: float,
    failed: bool,
    samples: str | None,
) -> TrialRecord:
    target = variant.target
    failure = Failure(
        kind="NotReady", what="The service did not answer in 120 s.", remedy="Look at its log.", logs=made.logs
    )
    head = TrialRecord(
        kind="measured",
        trial=name,
        block=block,
        position=position,
        attempt=1,
        variant=variant,
        level=level,
        accelerator="tcg" if target == "vm" else "none",
        artifact_digest=DIGEST,
        started_utc="2026-11-24T04:00:00Z",
        outcome="failed" if failed else "ok",
        failure=failure if failed else None,
        footprint=Footprint({part: mib * MIB for part, mib in FOOTPRINT_MIB[target].items()}),
    )
    if failed:
        return head
    total = int(STARTUP_S[target] * factor * S)
    names = PHASES[target]
    return replace(
        head,
        invalid=("steal 3.1 %, limit 2 %",) if (block, variant.name) in made.spoil else (),
        cpuset=(1,),
        limits_enforced=made.limited,
        startup=Startup(
            trigger_ns=S,
            total_ns=total,
            phases=tuple(
                StartupPhase(name=phase, after_ns=total * (i + 1) // len(names)) for i, phase in enumerate(names)
            ),
            attempts=40,
            resolution_ns=1_000_000,
            prober_cpu_ns=5_000_000,
        ),
        memory_idle=_memory(target, factor),
        memory_load=_memory(target, factor * 1.1),
        cpu=Cpu(cgroup_ns=int(LATENCY_MS[target] * 1e6 * made.requests), processes_ns=S, window_ns=6 * S),
        load=LoadFacts(
            target_rps=100,
            window_begin_ns=S,
            window_end_ns=S + made.requests * S // 100,
            scheduled=made.requests,
            completed=made.requests,
            dropped=0,
            errors=0,
            unexpected=0,
            send_lag_p99_ns=40_000,
            generator_busy=0.2,
        ),
        noise=Noise(steal_share=0.001, throttled_periods=0, swapped_in_pages=0, load1=0.5, other_busy_share=0.01),
        digests=Digests(expected=DIGEST, observed=DIGEST),
        inside=InsideView(
            kernel_release="6.1.0-31-amd64",
            boot_id="9f" if target == "vm" else "1b4e28ba",
            uptime_s=30.0 if target == "vm" else 90_000.0,
            visible_processes=80 if target != "container" else 1,
            sees_host_processes=target == "process",
            devices=20,
            hypervisor_bit=True,
            virtualisation="qemu" if target == "vm" else "kvm",
        ),
        responses={"GET /": "200 sha256:" + "d" * 64},
        samples=samples,
    )


def _memory(target: str, factor: float) -> MemoryView:
    pss = {role: int(mib * MIB * factor) for role, mib in PSS_MIB[target].items()}
    total = sum(pss.values())
    vm = target == "vm"
    return MemoryView(
        pss=pss,
        cgroup=CgroupMemory(
            anon=total * 7 // 10, file=total // 10, kernel=total // 20, page_tables=MIB, current=total, peak=total + MIB
        ),
        engine_growth={"dockerd": 2 * MIB} if target == "container" else {},
        guest_ram_touched=total * 6 // 10 if vm else None,
        emulator_cache=total * 3 // 10 if vm else None,
        guest=GuestMemory(512 * MIB, 350 * MIB) if vm else None,
    )
