"""Miss-ratio curves: a source of requests, policies and sizes in; a frame and plain data out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self

import pandas as pd

from harness.errors import StoreError
from harness.simulation import sequences
from harness.simulation.policies import TEXTBOOK, Policy
from harness.simulation.records import BadRecords, Block, Progress, quiet
from harness.simulation.simulate import MissRatio, SimulationFailure, require_library, simulate
from harness.simulation.sizes import CacheSize
from harness.simulation.spool import Spool, make_spool
from harness.simulation.traces import Trace
from harness.spec.sequence import SequenceSpec

WINDOW = 0.01
"""The share of a W-TinyLFU cache that is its window, by libCacheSim's default."""

_COLUMNS = ["policy", "size", "cache_bytes", "cache_share", "miss_ratio", "byte_miss_ratio", "unit_bytes"]


@dataclass(frozen=True, slots=True)
class Curves:
    """Every policy at every size on one sequence. ``sizes`` holds what was asked for and the bytes that it came to."""

    source: str
    requests: int
    warm_up: int
    objects: int
    footprint_bytes: int
    largest_bytes: int
    bad_records: int
    bad_shown: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...]
    ratios: tuple[MissRatio, ...]
    failures: tuple[SimulationFailure, ...] = ()

    @classmethod
    def of(
        cls,
        source: str,
        spool: Spool,
        sizes: Sequence[tuple[str, int]],
        results: Sequence[MissRatio | SimulationFailure],
        bad: BadRecords | None = None,
    ) -> Self:
        """What was simulated on that spool. ``bad``: what the reading of its source left out."""
        return cls(
            source=source,
            requests=spool.requests,
            warm_up=spool.warm_up,
            objects=spool.objects,
            footprint_bytes=spool.footprint_bytes,
            largest_bytes=spool.largest,
            bad_records=bad.count if bad else 0,
            bad_shown=tuple(bad.shown) if bad else (),
            sizes=tuple(sizes),
            ratios=tuple(result for result in results if isinstance(result, MissRatio)),
            failures=tuple(result for result in results if isinstance(result, SimulationFailure)),
        )

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of the policies, those without a result last."""
        with_result = [ratio.policy for ratio in self.ratios]
        return tuple(dict.fromkeys([*with_result, *(failure.policy for failure in self.failures)]))

    def frame(self) -> pd.DataFrame:
        """``policy``, ``size``, ``cache_bytes``, ``cache_share``, ``miss_ratio``, ``byte_miss_ratio``, ``unit_bytes``.

        ``size`` is what was asked for, ``cache_share`` is of the footprint (0..1), ratios are 0..1.
        """
        texts = {size: text for text, size in self.sizes}
        rows = [
            {
                "policy": ratio.policy,
                "size": texts[ratio.cache_bytes],
                "cache_bytes": ratio.cache_bytes,
                "cache_share": ratio.cache_bytes / self.footprint_bytes,
                "miss_ratio": ratio.by_requests,
                "byte_miss_ratio": ratio.by_bytes,
                "unit_bytes": ratio.unit_bytes,
            }
            for ratio in self.ratios
        ]
        return pd.DataFrame(rows, columns=_COLUMNS)

    def notes(self) -> tuple[str, ...]:
        """What a reader of these figures must know, a sentence each."""
        notes = []
        coarse = {ratio.policy: ratio.unit_bytes for ratio in self.ratios if ratio.unit_bytes > 1}
        for policy in coarse:
            units = sorted({ratio.unit_bytes for ratio in self.ratios if ratio.policy == policy})
            listed = ", ".join(f"{unit:,}" for unit in units)
            notes.append(f"{policy}: object sizes were rounded to units of {listed} bytes.")
        for failure in self.failures:
            notes.append(f"{failure.policy} at {failure.cache_bytes:,} bytes has no result: {failure.what}.")
        if any(failure.policy == "LFUDA" for failure in self.failures):
            notes.append(
                f"Where its ranks explode, libCacheSim's LFUDA crashes or never ends; {TEXTBOOK} does neither."
            )
        refused = [r for r in self.ratios if r.policy == "W-TinyLFU" and r.cache_bytes * WINDOW < self.largest_bytes]
        if refused:
            notes.append(f"W-TinyLFU: objects of more than {WINDOW:.0%} of the cache, its window, are never kept.")
        if any(ratio.policy == "Belady" for ratio in self.ratios):
            notes.append("Belady knows the future: the optimum where all objects have one size, else only a guide.")
        return tuple(notes)

    def plain(self) -> dict[str, object]:
        """All of it as plain data for JSON."""
        return {
            "source": self.source,
            "requests": self.requests,
            "warm_up_requests": self.warm_up,
            "objects": self.objects,
            "footprint_bytes": self.footprint_bytes,
            "largest_object_bytes": self.largest_bytes,
            "bad_records": self.bad_records,
            "bad_shown": list(self.bad_shown),
            "notes": list(self.notes()),
            "results": self.frame().to_dict("records"),
            "failures": [asdict(failure) for failure in self.failures],
        }


def miss_ratio_curves(
    source: Trace | SequenceSpec,
    name: str,
    policies: Sequence[Policy],
    sizes: Sequence[CacheSize],
    *,
    warm_up: Fraction = Fraction(0),
    jobs: int | None = None,
    progress: Progress = quiet,
) -> Curves:
    """Simulate each policy at each size on ``source``, which ``name`` names for a person.

    ``jobs``: processes at a time, by default one per usable CPU. Sizes that come to the same bytes are simulated once.
    Raises Unavailable without libCacheSim, SpecError for a wrong trace or size, StoreError where the disk of TMPDIR is
    full. A simulation without a result is in ``failures``.
    """
    blocks = source.blocks() if isinstance(source, Trace) else sequences.blocks(source)
    bad = source.bad if isinstance(source, Trace) else None
    return curves_of(blocks, name, policies, sizes, warm_up=warm_up, bad=bad, jobs=jobs, progress=progress)


def curves_of(
    blocks: Iterable[Block],
    name: str,
    policies: Sequence[Policy],
    sizes: Sequence[CacheSize],
    *,
    warm_up: Fraction = Fraction(0),
    bad: BadRecords | None = None,
    jobs: int | None = None,
    progress: Progress = quiet,
) -> Curves:
    """As ``miss_ratio_curves``, on requests wherever they come from. ``bad``: what their reading leaves out."""
    require_library()
    future = any(policy.future for policy in policies)
    with scratch() as folder:
        spool = make_spool(blocks, Path(folder), name=name, warm_up=warm_up, future=future, progress=progress)
        found = {size.of(spool): size.text for size in reversed(sizes)}
        ordered = sorted(found)
        processes = jobs or len(os.sched_getaffinity(0))
        results = simulate(spool, policies, ordered, jobs=processes, progress=progress)
    return Curves.of(name, spool, [(found[size], size) for size in ordered], results, bad)


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder of TMPDIR that goes with its context. Raises StoreError if none can be made."""
    try:
        return tempfile.TemporaryDirectory(prefix="tare-cache-")
    except OSError as error:
        raise StoreError(
            f"no scratch folder can be made: {error.strerror or error}", "set TMPDIR to a folder that you may write"
        ) from error
