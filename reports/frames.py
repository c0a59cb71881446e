"""Small helpers over the analysis' frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pandas as pd


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries, in order. Cells of a frame have no static type."""
    return cast("list[dict[str, Any]]", frame.to_dict("records"))


@dataclass(frozen=True, slots=True)
class Range:
    """A median with its interval, which is absent (None) where there are too few trials for one."""

    median: float
    low: float | None
    high: float | None
    n: int

    @classmethod
    def of(cls, row: dict[str, Any], centre: str = "median") -> Range:
        """From a row of ``summaries``, or of ``comparisons`` with ``centre="ratio"``."""
        low, high = row["low"], row["high"]
        known = bool(pd.notna(low) and pd.notna(high))
        return cls(
            median=float(row[centre]),
            low=float(low) if known else None,
            high=float(high) if known else None,
            n=int(row["n"]),
        )
