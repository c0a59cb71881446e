"""What libCacheSim says of a policy, against a few lines written independently of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from harness.simulation import sequences
from harness.simulation.curves import miss_ratio_curves
from harness.simulation.policies import POLICIES, chosen
from harness.simulation.records import Block, records
from harness.simulation.simulate import MissRatio, SimulationFailure, simulate
from harness.simulation.sizes import parse_sizes
from harness.simulation.spool import Spool, make_spool
from harness.simulation.traces import Trace
from harness.spec.sequence import SequenceSpec
from tests.support.plain_caches import PLAIN, Request, lfu, sieve

SPECS = {
    "fixed": SequenceSpec(requests=30_000, objects=2_000, exponent=0.8, size_bytes=1000),
    "web": SequenceSpec(requests=30_000, objects=3_000, exponent=0.9, seed=2),
    "everything": SequenceSpec(
        requests=30_000, objects=3_000, exponent=0.9, seed=3, wonders=0.3, scans=0.1, scan_length=200, drift=0.05,
        drift_every=5_000,
    ),
}  # fmt: skip
SHARES = (0.005, 0.02, 0.1)
Spooled = tuple[Spool, list[Request]]


def pairs(blocks: Iterator[Block] | list[Block]) -> list[Request]:
    return [(int(key), int(size)) for block in blocks for key, size in zip(block["id"], block["size"], strict=True)]


@pytest.fixture(scope="module", params=SPECS)
def spooled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Spooled:
    spec = SPECS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    return make_spool(sequences.blocks(spec), folder, name="it"), pairs(sequences.blocks(spec))


def ran(spool: Spool, names: str, sizes: list[int]) -> dict[tuple[str, int], MissRatio]:
    results = simulate(spool, chosen(names), sizes, jobs=2)
    return {(result.policy, result.cache_bytes): result for result in results if isinstance(result, MissRatio)}


@pytest.mark.parametrize("name", PLAIN)
def test_a_simulated_policy_misses_exactly_what_the_plain_one_does(spooled: Spooled, name: str) -> None:
    spool, requests = spooled
    sizes = [int(share * spool.footprint_bytes) for share in SHARES]
    found = ran(spool, name, sizes)
    for size in sizes:
        expected = PLAIN[name](requests, size).ratios(requests)
        got = found[name, size]
        assert (got.by_requests, got.by_bytes) == pytest.approx(expected, abs=1e-9)


def test_the_warm_up_is_seen_and_not_counted(tmp_path: Path) -> None:
    spec = SPECS["everything"]
    spool = make_spool(sequences.blocks(spec), tmp_path, name="it", warm_up=Fraction(1, 3))
    requests = pairs(sequences.blocks(spec))
    size = spool.footprint_bytes // 20
    found = ran(spool, "LRU,Belady", [size])
    for name in ("LRU", "Belady"):
        expected = PLAIN[name](requests, size).ratios(requests, begin=10_000)
        assert (found[name, size].by_requests, found[name, size].by_bytes) == pytest.approx(expected, abs=1e-9)


def test_nothing_is_below_belady_where_all_objects_have_one_size(tmp_path: Path) -> None:
    spool = make_spool(sequences.blocks(SPECS["fixed"]), tmp_path, name="it")
    sizes = [150_000, 400_000]
    found = ran(spool, "all", sizes)
    assert len(found) == len(POLICIES) * len(sizes)
    for size in sizes:
        least = found["Belady", size].by_requests
        assert all(found[name, size].by_requests >= least for name in POLICIES)
        # Objects of one size: a share of the requests is the same share of the bytes.
        assert all(abs(found[name, size].by_bytes - found[name, size].by_requests) < 1e-9 for name in POLICIES)


def hot_and_cold() -> list[Request]:
    """Some objects that are asked for again and again, among a stream of others that are asked for once."""
    rng = np.random.default_rng(7)
    hot = [(key, 100) for key in range(20)]
    return hot + hot + [hot[rng.integers(20)] if rng.random() < 0.3 else (1000 + n, 100) for n in range(5_000)]


def ever_new() -> list[Request]:
    """What is asked for often is replaced by other objects from time to time."""
    rng = np.random.default_rng(8)
    return [(int(n // 1000 * 100 + rng.zipf(1.3) % 100), 100) for n in range(6_000)]


@pytest.mark.parametrize(("make", "alike"), [(hot_and_cold, True), (ever_new, False)])
def test_lfu_and_sieve_are_one_policy_for_as_long_as_neither_evicts_what_was_hit(
    tmp_path: Path, make: Callable[[], list[Request]], alike: bool
) -> None:
    requests = make()
    block = records(len(requests))
    block["id"], block["size"] = zip(*requests, strict=True)
    plain = lfu(requests, 5_000), sieve(requests, 5_000)
    assert (plain[0].missed == plain[1].missed) is alike
    assert (plain[0].evicted_hit == plain[1].evicted_hit == 0) is alike
    found = ran(make_spool([block], tmp_path, name="it"), "LFU,SIEVE", [5_000])
    assert (found["LFU", 5_000].by_requests == found["SIEVE", 5_000].by_requests) is alike
    for name, run in zip(("LFU", "SIEVE"), plain, strict=True):
        assert found[name, 5_000].by_requests == pytest.approx(run.ratios(requests)[0], abs=1e-9)


def test_w_tinylfu_in_units_is_close_to_w_tinylfu_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SequenceSpec(requests=50_000, objects=2_000, exponent=0.9, size_mu=7, size_sigma=0.5)
    spool = make_spool(sequences.blocks(spec), tmp_path, name="it")
    size = spool.footprint_bytes // 2
    assert POLICIES["W-TinyLFU"].unit_bytes(size) == 1
    exact = ran(spool, "W-TinyLFU", [size])["W-TinyLFU", size]
    monkeypatch.setattr("harness.simulation.policies.SKETCH_UNITS", 1 << 15)
    rounded = ran(spool, "W-TinyLFU", [size])["W-TinyLFU", size]
    assert rounded.unit_bytes > 10
    assert (rounded.by_requests, rounded.by_bytes) == pytest.approx((exact.by_requests, exact.by_bytes), abs=0.01)
    assert set(tmp_path.glob("*.zst")) == {spool.warm, spool.measured}


def test_a_simulation_that_does_not_end_has_no_result_and_disturbs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.simulation.simulate.LIMIT_S", 10.0)
    spool = make_spool(sequences.blocks(SPECS["fixed"]), tmp_path, name="it")
    # The ranks of libCacheSim's LFUDA explode in a small cache: the reason why there is a limit.
    never, ended, crashed = simulate(spool, chosen("LFUDA,LRU"), [5_000], jobs=2) + simulate(
        spool, chosen("LFUDA"), [1_000], jobs=1
    )
    assert never == SimulationFailure("LFUDA", 5_000, "it did not end within 11 s", "")
    assert isinstance(ended, MissRatio)
    assert isinstance(crashed, SimulationFailure)
    assert crashed.what == "it ended by SIGSEGV"


SAMPLE = os.environ.get("TARE_SAMPLE_TRACE")
"""libCacheSim's sample trace cloudPhysicsIO.oracleGeneral.bin. It comes without a licence of its own, so it is not
in this repository, and the test below exists only for who has it."""

TABLE = {
    "FIFO": ((0.86209, 0.98493), (0.83684, 0.98038), (0.80752, 0.95088)),
    "LRU": ((0.85124, 0.98367), (0.83388, 0.98003), (0.80968, 0.95182)),
    "LFU": ((0.83942, 0.98235), (0.82306, 0.97764), (0.79030, 0.92963)),
    "LFUDA": ((0.83806, 0.98199), (0.82517, 0.97827), (0.80230, 0.94424)),
    "GDSF": ((0.83186, 0.98273), (0.82087, 0.97959), (0.75816, 0.95091)),
    "ARC": ((0.83693, 0.98215), (0.82220, 0.97693), (0.76877, 0.90258)),
    "S3-FIFO": ((0.83608, 0.98199), (0.82355, 0.97635), (0.75422, 0.87698)),
    "SIEVE": ((0.83984, 0.98200), (0.82306, 0.97764), (0.79030, 0.92963)),
    "Belady": ((0.82434, 0.97585), (0.80048, 0.93930), (0.65128, 0.73202)),
}
"""By requests and by bytes at 0.1 %, 1 % and 10 % of the footprint; libcachesim 0.3.5, straight from the file."""

if SAMPLE is not None:

    def test_the_sample_trace_gives_its_published_table() -> None:
        trace = Trace.of(Path(str(SAMPLE)), "oracleGeneral")
        curves = miss_ratio_curves(trace, "sample", chosen(",".join(TABLE)), parse_sizes("0.1%,1%,10%"))
        assert (curves.requests, curves.objects, curves.footprint_bytes) == (113_872, 48_974, 2_029_769_728)
        frame = curves.frame()
        for name, expected in TABLE.items():
            own = frame[frame["policy"] == name]
            got = [(round(r, 5), round(b, 5)) for r, b in zip(own["miss_ratio"], own["byte_miss_ratio"], strict=True)]
            assert got == list(expected), name

    @pytest.mark.parametrize("name", sorted(PLAIN.keys() & TABLE.keys()))
    def test_the_plain_policies_give_the_same_table(name: str) -> None:
        requests = pairs(list(Trace.of(Path(str(SAMPLE)), "oracleGeneral").blocks()))
        for share, expected in zip((1000, 100, 10), TABLE[name], strict=True):
            assert PLAIN[name](requests, 2_029_769_728 // share).ratios(requests) == pytest.approx(expected, abs=6e-6)

    def test_why_lfu_and_sieve_coincide_at_two_of_its_sizes() -> None:
        requests = pairs(list(Trace.of(Path(str(SAMPLE)), "oracleGeneral").blocks()))
        for share, alike in ((1000, False), (100, True), (10, True)):
            by_lfu, by_sieve = (policy(requests, 2_029_769_728 // share) for policy in (lfu, sieve))
            assert (by_lfu.missed == by_sieve.missed) is alike
            assert (by_lfu.evicted_hit == by_sieve.evicted_hit == 0) is alike
