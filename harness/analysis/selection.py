"""Which rows of a frame are meant, and which attempts count: of each cell in each block, the latest valid one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.records.trial import TrialRecord

if TYPE_CHECKING:
    import pandas as pd


def counted(records: Sequence[TrialRecord], reasons: Sequence[tuple[str, ...]]) -> list[bool]:
    """For each attempt, in journal order, whether summaries and comparisons use it.

    A cell gives a block at most one figure, however often it was tried (a retry, or a resume that ran it again): the
    latest valid ``measured`` attempt.
    """
    latest: dict[tuple[int, str, str], int] = {}
    for index, (record, why_not) in enumerate(zip(records, reasons, strict=True)):
        if record.kind == "measured" and record.outcome == "ok" and not why_not:
            latest[(record.block, record.variant.name, record.level)] = index
    chosen = set(latest.values())
    return [index in chosen for index in range(len(records))]


def select(frame: pd.DataFrame, **wanted: object) -> pd.DataFrame:
    """The rows whose columns have these values: ``select(campaign.trials, variant="vm", level="100 rps")``."""
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    return frame
