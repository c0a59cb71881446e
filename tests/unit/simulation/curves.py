"""Curves as a simulation would give them."""

from __future__ import annotations

from harness.simulation.curves import Curves
from harness.simulation.simulate import MissRatio, SimulationFailure

SIZES = (("0.1%", 1_000), ("1%", 10_000), ("10%", 100_000))
NAMES = ("FIFO", "LRU", "W-TinyLFU", "Belady")


def curves(source: str = "a.csv", failures: tuple[SimulationFailure, ...] = ()) -> Curves:
    """Four policies at three sizes."""
    ratios = [
        MissRatio(name, size, 0.9 - 0.1 * place - 0.01 * i, 0.95 - 0.1 * place - 0.01 * i, 5 if name[0] == "W" else 1)
        for i, name in enumerate(NAMES)
        for place, (_, size) in enumerate(SIZES)
    ]
    return Curves(
        source=source,
        requests=1_000_000,
        warm_up=0,
        objects=5_000,
        footprint_bytes=1_000_000,
        largest_bytes=700,
        bad_records=2,
        bad_shown=("line 3: it is empty", "line 9: it is empty"),
        sizes=SIZES,
        ratios=tuple(ratios),
        failures=failures,
    )
