"""Cache sizes and policies as a command line names them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.simulation.policies import POLICIES, SKETCH_UNITS, chosen
from harness.simulation.sizes import parse_share, parse_sizes
from harness.simulation.spool import Spool

SPOOL = Spool(Path(), 10, 0, 5, footprint_bytes=2_029_769_728, smallest=512, largest=69_632)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1%", [2_029_769]),
        ("0.1%,1%, 10% ,100%", [2_029_769, 20_297_697, 202_976_972, 2_029_769_728]),
        ("512", [512]),
        ("1kB,1KiB,1.5 MiB,2GB,1b", [1_000, 1_024, 1_572_864, 2_000_000_000]),
    ],
)
def test_sizes(text: str, expected: list[int]) -> None:
    assert [size.of(SPOOL) for size in parse_sizes(text) if size.bytes != 1] == expected


@pytest.mark.parametrize("text", ["", ",", "0%", "101%", "-1%", "1%%", "big", "10PB", "0", "0.5", "1e6"])
def test_wrong_sizes(text: str) -> None:
    with pytest.raises(SpecError) as raised:
        parse_sizes(text)
    assert "0.1%,1%,10%" in raised.value.remedy


def test_a_cache_that_holds_no_object_is_refused() -> None:
    (share,) = parse_sizes("0.00001%")
    with pytest.raises(SpecError) as raised:
        share.of(SPOOL)
    assert raised.value.what == (
        "A cache of 0.00001% of a footprint of 2,029,769,728 bytes has 202 bytes; the smallest object has 512."
    )
    with pytest.raises(SpecError, match="A cache of 511 has 511 bytes"):
        parse_sizes("511")[0].of(SPOOL)


def test_shares() -> None:
    assert parse_share("12.5%", "--warm-up") == Fraction(1, 8)
    assert parse_share("0%", "--warm-up") == 0
    for text in ("100%", "0.5", "", "-1%"):
        with pytest.raises(SpecError, match="--warm-up"):
            parse_share(text, "--warm-up")


def test_policies_are_found_whatever_their_spelling() -> None:
    assert chosen("all") == tuple(POLICIES.values())
    assert [policy.name for policy in chosen("s3fifo, LRU,w-tinylfu,S3-FIFO")] == ["S3-FIFO", "LRU", "W-TinyLFU"]
    for text, what in (("LRU,MRU", "There is no policy 'MRU'."), (",", "No policy is named.")):
        with pytest.raises(SpecError) as raised:
            chosen(text)
        assert raised.value.what == what
        assert all(name in raised.value.remedy for name in POLICIES)


@pytest.mark.parametrize("cache_bytes", [1, SKETCH_UNITS, SKETCH_UNITS + 1, 10**9, 10**13])
def test_the_sketch_stays_small(cache_bytes: int) -> None:
    unit = POLICIES["W-TinyLFU"].unit_bytes(cache_bytes)
    assert cache_bytes // unit <= SKETCH_UNITS
    assert unit == 1 or cache_bytes // (unit - 1) >= SKETCH_UNITS
    assert POLICIES["LRU"].unit_bytes(cache_bytes) == 1
