"""Curves as frames and plain data."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.simulation import curves as drawing
from harness.simulation.curves import miss_ratio_curves
from harness.simulation.policies import Policy, chosen
from harness.simulation.simulate import MissRatio, SimulationFailure
from harness.simulation.sizes import parse_sizes
from harness.simulation.spool import Spool
from harness.simulation.traces import Trace
from harness.spec.sequence import SequenceSpec
from tests.unit.simulation.curves import curves


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Spool, list[int], int]]:
    """Instead of simulating: what would have been simulated, in how many processes."""
    found: list[tuple[Spool, list[int], int]] = []

    def simulate(
        spool: Spool, policies: tuple[Policy, ...], sizes: list[int], *, jobs: int, progress: object
    ) -> tuple[MissRatio, ...]:
        assert callable(progress)
        found.append((spool, sizes, jobs))
        return tuple(MissRatio(policy.name, size, 0.5, 0.25) for policy in policies for size in sizes)

    monkeypatch.setattr(drawing, "require_library", lambda: None)
    monkeypatch.setattr(drawing, "simulate", simulate)
    return found


def test_a_frame_has_a_row_per_policy_and_size() -> None:
    frame = curves().frame()
    assert len(frame) == 12
    first = frame.iloc[0]
    assert (first["policy"], first["size"], first["cache_bytes"], first["cache_share"]) == (
        "FIFO",
        "0.1%",
        1_000,
        0.001,
    )
    assert (first["miss_ratio"], first["byte_miss_ratio"], first["unit_bytes"]) == (0.9, 0.95, 1)


def test_the_notes_say_what_to_beware_of() -> None:
    failure = SimulationFailure("LFUDA", 1_000, "it ended by SIGSEGV", "")
    notes = curves(failures=(failure,)).notes()
    assert notes[0] == "W-TinyLFU: object sizes were rounded to units of 5 bytes."
    assert notes[1] == "LFUDA at 1,000 bytes has no result: it ended by SIGSEGV."
    assert "LFUDA-textbook does neither" in notes[2]
    assert "W-TinyLFU: objects of more than 1% of the cache" in notes[3]
    assert "Belady knows the future" in notes[4]
    assert curves(failures=(failure,)).policies == ("FIFO", "LRU", "W-TinyLFU", "Belady", "LFUDA")


def test_plain_data_is_json() -> None:
    plain = json.loads(json.dumps(curves().plain(), allow_nan=False))
    assert plain["bad_records"] == 2
    assert plain["results"][0]["policy"] == "FIFO"
    assert plain["failures"] == []


def test_a_sequence_is_spooled_once_and_equal_sizes_are_simulated_once(
    asked: list[tuple[Spool, list[int], int]],
) -> None:
    spec = SequenceSpec(requests=1_000, objects=100, exponent=1, size_bytes=100)
    whole = SequenceSpec(requests=1_000, objects=1, exponent=1, size_bytes=100)
    found = miss_ratio_curves(whole, "it", chosen("LRU"), parse_sizes("100%,100,1kB"), warm_up=Fraction(1, 4), jobs=3)
    ((spool, sizes, jobs),) = asked
    assert (spool.requests, spool.warm_up, spool.objects, sizes, jobs) == (1_000, 250, 1, [100, 1_000], 3)
    assert found.sizes == (("100%", 100), ("1kB", 1_000))
    assert (found.warm_up, found.footprint_bytes, found.bad_records) == (250, 100, 0)
    assert not spool.folder.exists()
    with pytest.raises(SpecError, match="smallest object has 100"):
        miss_ratio_curves(spec, "it", chosen("LRU"), parse_sizes("99"))


def test_the_bad_lines_of_a_trace_are_told(tmp_path: Path, asked: list[tuple[Spool, list[int], int]]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("0,1,10\nbad\n1,2,10\n", "ascii")
    found = miss_ratio_curves(Trace.of(path), "a.csv", chosen("LRU,FIFO"), parse_sizes("50%"))
    assert (found.requests, found.bad_records) == (2, 1)
    assert found.bad_shown == ("line 2: it has 1 of at least 3 fields",)
    assert asked[0][1] == [10]
