"""Synthetic attempts, for tests only: records and raw requests of targets that do not exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.load.recorder import SAMPLE_DTYPE
from harness.records.instance import Digests, Footprint, InsideView
from harness.records.load import Capacity, LoadFacts
from harness.records.memory import CgroupMemory, GuestMemory, MemoryView
from harness.records.startup import Startup, StartupPhase
from harness.records.trial import TrialRecord
from harness.records.variant import Variant
from harness.records.window import Cpu, Noise
from harness.units import MIB

DIGEST = "sha256:" + "5f" * 32
HOST_BOOT = "synthetic-host-boot"


@dataclass(frozen=True, slots=True)
class Model:
    """What the synthetic trials of one target look like: medians that lognormal noise is put on."""

    startup_s: float
    phases: tuple[tuple[str, float], ...]
    """Phase and its share of the startup."""
    app_mib: float
    other: tuple[tuple[str, float], ...]
    cpu_ms: float
    latency_ms: float
    footprint_mib: float
    guest_ram_mib: float = 0.0


MODELS = {
    "process": Model(0.4, (("spawned", 0.02), ("listening", 0.95)), 40.0, (), 1.0, 2.0, 150.0),
    "container": Model(
        0.8, (("created", 0.2), ("started", 0.5), ("listening", 0.97)), 40.0, (("shim", 9.0),), 1.1, 2.2, 160.0
    ),
    "vm": Model(
        30.0,
        (
            ("created", 0.01),
            ("running", 0.03),
            ("kernel", 0.1),
            ("user_space", 0.4),
            ("service", 0.8),
            ("listening", 0.99),
        ),
        0.0,
        (("vmm", 400.0),),
        9.0,
        12.0,
        900.0,
        210.0,
    ),
}


def variant(name: str) -> Variant:
    return Variant(name=name, workload="synthetic", target=name.removesuffix("-aa"), aa=name.endswith("-aa"))


def requests(
    rng: np.random.Generator, rate: float, seconds: float, latency_ms: float, begin_ns: int
) -> NDArray[np.void]:
    """Poisson arrivals, two warm-up seconds before the window, each answered after a lognormal time."""
    count = rng.poisson(rate * (seconds + 2))
    intended = np.sort(rng.uniform(begin_ns - 2e9, begin_ns + seconds * 1e9, count)).astype(np.int64)
    found = np.zeros(count, dtype=SAMPLE_DTYPE)
    found["intended_ns"] = intended
    found["sent_ns"] = intended + rng.integers(5_000, 60_000, count)
    found["done_ns"] = found["sent_ns"] + (latency_ms * 1e6 * rng.lognormal(0, 0.4, count)).astype(np.int64)
    found["phase"] = np.where(intended < begin_ns, 0, 1)
    found["status"] = 200
    found["task"] = rng.integers(0, 2, count)
    found["bytes"] = 512
    return found


def record(
    name: str,
    level: str,
    rate: float,
    block: int,
    position: int,
    rng: np.random.Generator,
    *,
    attempt: int = 1,
    accelerator: str = "tcg",
    spread: float = 0.05,
    seconds: float = 10.0,
    samples: NDArray[np.void] | None = None,
    begin_ns: int = 10**12,
) -> TrialRecord:
    """One synthetic attempt that ended well."""
    who = variant(name)
    model = MODELS[who.target]

    def noisy(value: float) -> float:
        return float(value * rng.lognormal(0, spread))

    total_ns = int(noisy(model.startup_s) * 1e9)
    window_ns = int(seconds * 1e9)
    measured = int((samples["phase"] == 1).sum()) if samples is not None else int(rate * seconds)
    guest = who.target == "vm"
    stamps = [StartupPhase(name=phase, after_ns=int(total_ns * share)) for phase, share in model.phases]
    idle = _memory(model, noisy, 1.0)
    return TrialRecord(
        kind="measured",
        trial=f"b{block}-{position:02d}-{name}",
        block=block,
        position=position,
        attempt=attempt,
        variant=who,
        level=level,
        accelerator=accelerator if guest else "none",
        artifact_digest=DIGEST,
        started_utc="2026-01-01T00:00:00+00:00",
        outcome="ok",
        cpuset=(1,),
        startup=Startup(
            trigger_ns=begin_ns - 60 * 10**9,
            total_ns=total_ns,
            phases=(*stamps, StartupPhase(name="first_response", after_ns=total_ns)),
            attempts=100,
            resolution_ns=1_000_000,
            prober_cpu_ns=5_000_000,
        ),
        memory_idle=idle,
        memory_load=_memory(model, noisy, 1.2),
        cpu=Cpu(cgroup_ns=int(noisy(model.cpu_ms) * 1e6 * max(measured, 1)), processes_ns=1, window_ns=window_ns),
        load=LoadFacts(
            target_rps=rate,
            window_begin_ns=begin_ns,
            window_end_ns=begin_ns + window_ns,
            scheduled=measured,
            completed=measured,
            dropped=0,
            errors=0,
            unexpected=0,
            send_lag_p99_ns=60_000,
            generator_busy=0.2,
        ),
        capacity=Capacity(users=8, completed=int(noisy(4000 / model.cpu_ms)), errors=0, window_ns=5 * 10**9),
        noise=Noise(steal_share=0.001, throttled_periods=0, swapped_in_pages=0, load1=0.5, other_busy_share=0.02),
        digests=Digests(expected=DIGEST, observed=DIGEST),
        inside=InsideView(
            kernel_release="6.1.0-guest" if guest else "6.1.0-host",
            boot_id=f"guest-{block}-{position}-{attempt}" if guest else HOST_BOOT,
            uptime_s=20.0 if guest else 90_000.0,
            visible_processes={"process": 80, "container": 1, "vm": 60}[who.target],
            sees_host_processes=who.target == "process",
            devices={"process": 160, "container": 15, "vm": 120}[who.target],
            hypervisor_bit=True,
            virtualisation="qemu" if guest else "kvm",
        ),
        responses={"GET /": "200 sha256:" + "ab" * 32, "GET /items/1": "200 sha256:" + "cd" * 32},
        footprint=Footprint({"image": int(model.footprint_mib * MIB)}),
    )


def _memory(model: Model, noisy: Callable[[float], float], growth: float) -> MemoryView:
    pss = {role: int(noisy(size) * growth * MIB) for role, size in model.other}
    if model.app_mib:
        pss["app"] = int(noisy(model.app_mib) * growth * MIB)
    total = sum(pss.values())
    guest = int(model.guest_ram_mib * growth * MIB)
    return MemoryView(
        pss=pss,
        cgroup=CgroupMemory(
            anon=int(total * 0.8),
            file=int(total * 0.3),
            kernel=int(total * 0.05),
            page_tables=int(total * 0.01),
            current=int(total * 1.15),
            peak=int(total * 1.3),
        ),
        engine_growth={"dockerd": 2 * MIB} if "shim" in pss else {},
        guest_ram_touched=guest or None,
        emulator_cache=60 * MIB if guest else None,
        guest=GuestMemory(480 * MIB, 340 * MIB) if guest else None,
    )
