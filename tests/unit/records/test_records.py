"""What holds for every record, and the few rules that one has of its own."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

from harness import records
from harness.records.base import shared
from harness.records.cache import SimulatedRatio
from harness.records.load import LoadCounts, LoadFacts


def every() -> Iterator[type]:
    for module in pkgutil.iter_modules(records.__path__):
        found = importlib.import_module(f"harness.records.{module.name}")
        own = (each for each in vars(found).values() if isinstance(each, type))
        yield from (each for each in own if each.__module__ == found.__name__)


@pytest.mark.parametrize("record", list(every()), ids=lambda record: record.__name__)
def test_a_record_is_frozen_and_has_slots(record: type) -> None:
    assert dataclasses.is_dataclass(record)
    # No stub names it.
    assert vars(record)["__dataclass_params__"].frozen
    assert "__slots__" in vars(record)


@pytest.mark.parametrize(("requests", "by_bytes"), [(-0.1, 0.5), (0.5, 1.1)])
def test_a_miss_ratio_is_a_share(requests: float, by_bytes: float) -> None:
    with pytest.raises(ValueError, match="LRU misses a share"):
        SimulatedRatio(policy="LRU", sequence="s", effective_bytes=1, by_requests=requests, by_bytes=by_bytes)


def test_what_two_records_share_is_carried_over() -> None:
    counts = {name.name: number for number, name in enumerate(dataclasses.fields(LoadCounts))}
    facts = LoadFacts(**counts, target_rps=1.0, window_begin_ns=0, window_end_ns=1)
    assert shared(LoadCounts, facts) == counts
