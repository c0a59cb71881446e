"""The synthetic campaigns that reports are tested on: those of the analysis, with what there is to tell of bad days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.records.campaign import UnavailableTarget
from harness.records.trial import TrialRecord
from tests.unit.analysis.synthetic import failed, invalid, make_folder


@dataclass(frozen=True)
class Made:
    """What a campaign is like. ``fail`` and ``spoil`` are (block, variant) that fail or are invalid."""

    targets: Sequence[str] = ("process", "container", "vm")
    levels_rps: Sequence[float] = (100.0,)
    blocks: int = 3
    seconds: float = 6.0
    aa: str | None = "process"
    question: str = "What does each way to deploy cost the synthetic service?"
    fail: Sequence[tuple[int, str]] = ()
    spoil: Sequence[tuple[int, str]] = ()
    fail_all: bool = False
    logs: str = "starting\nTraceback: no such file\n"
    null: bool = True
    limited: bool = True
    unavailable: Sequence[UnavailableTarget] = ()


def write_campaign(path: Path, made: Made | None = None) -> Path:
    """A campaign's folder at ``path``. VMs are emulated. Returns ``path``."""
    made = made or Made()
    make_folder(
        path,
        variants=made.targets,
        blocks=made.blocks,
        levels_rps=made.levels_rps,
        aa=made.aa,
        seconds=made.seconds,
        change=partial(_changed, made),
        unavailable=made.unavailable,
        null=made.null,
        experiment={"question": made.question, "validity": {"max_steal": 0.05}},
    )
    return path


def _changed(made: Made, record: TrialRecord) -> TrialRecord:
    key = (record.block, record.variant.name)
    if made.fail_all or key in made.fail:
        return failed(record, "The service did not answer in 120 s.", made.logs)
    enforced = replace(record, limits_enforced=made.limited)
    return invalid(enforced, "steal 3.1 %, limit 2 %") if key in made.spoil else enforced
