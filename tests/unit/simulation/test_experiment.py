"""The simulation of an experiment: which requests, which policies, which sizes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import SpecError, Unavailable
from harness.records.cache import CacheRecord
from harness.simulation import curves as drawing
from harness.simulation import experiment as simulating
from harness.simulation import simulate as running
from harness.simulation.catalogue import Catalogue, requests
from harness.simulation.experiment import (
    experiment_curves,
    of_catalogue,
    replayed,
    simulate_experiment,
    sizes_of,
)
from harness.simulation.policies import Policy, chosen
from harness.simulation.simulate import MissRatio, SimulationFailure
from harness.simulation.sizes import parse_sizes
from harness.simulation.spool import Spool, stored
from harness.spec.experiment import Experiment
from harness.spec.sequence import CatalogueSpec, SequenceSpec

CATALOGUE = Catalogue.of(CatalogueSpec(objects=300))
ZIPF = {"requests": 2000, "objects": 200, "exponent": 0.9}
REPLAY = {"replay": {"requests": 1000, "warmup": 250}}
Asked = list[tuple[Spool, list[str], list[int], np.ndarray]]


def experiment(**changes: Any) -> Experiment:
    plain: dict[str, Any] = {
        "name": "it",
        "question": "What is kept?",
        "workload": "static",
        "matrix": {"targets": ["process"], "proxies": ["varnish"], "cache_shares": [0.1, 0.01]},
        "sequences": {"one": ZIPF, "other": ZIPF | {"seed": 2}},
        "baseline": "process-varnish-1pc",
        "load": REPLAY,
    }
    return Experiment.of_stored(plain | changes)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Instead of simulating: on what, which policies and sizes; what was to be measured."""
    found: Asked = []

    def simulate(
        spool: Spool, policies: Sequence[Policy], sizes: Sequence[int], **_options: object
    ) -> tuple[MissRatio | SimulationFailure, ...]:
        measured = np.concatenate(list(stored(spool.measured)))
        found.append((spool, [policy.name for policy in policies], list(sizes), measured))
        return tuple(
            SimulationFailure(policy.name, size, "it crashed", "")
            if policy.name == "LFUDA"
            else MissRatio(policy.name, size, 0.5, 0.25)
            for policy in policies
            for size in sizes
        )

    monkeypatch.setattr(drawing, "require_library", lambda: None)
    monkeypatch.setattr(drawing, "simulate", simulate)
    monkeypatch.setattr(simulating, "require_library", lambda: None)
    monkeypatch.setattr(simulating, "simulate", simulate)
    return found


def cache(policy: str, share: float = 0.01, effective: int | None = 40_000) -> CacheRecord:
    size = int(share * CATALOGUE.bytes)
    return CacheRecord(
        instance="proxy", kind="varnish", policy=policy, size_bytes=size, share=share, effective_bytes=effective
    )


def test_a_replay_is_simulated_request_by_request() -> None:
    one = replayed(experiment(prefill=100), CATALOGUE, "one")
    expected = np.concatenate(list(requests(CATALOGUE, SequenceSpec.model_validate(ZIPF), 100, 1000)))
    found = np.concatenate(list(one.blocks))
    assert (found["id"] == expected["id"]).all()
    assert (found["size"] == CATALOGUE.sizes[found["id"]]).all()
    assert (len(found), one.warm_up) == (1000, Fraction(1, 4))


def test_at_a_rate_it_is_the_whole_sequence_less_the_prefill() -> None:
    spec = experiment(load={"rates_rps": [10]}, sequences={"one": ZIPF}, prefill=500)
    one = replayed(spec, CATALOGUE, "one")
    assert sum(map(len, one.blocks)) == 2000
    assert one.warm_up == Fraction(1, 4)


def test_a_trace_is_mapped_onto_the_catalogue(tmp_path: Path) -> None:
    trace = tmp_path / "a.csv"
    trace.write_text("time,id,size\n1,x,7\n2,y,9\n3,,1\n4,x,7\n")
    spec = experiment(
        load={"replay": {"requests": 3}}, sequences={"one": {"trace": str(trace), "max_bad": 1}}, repeats=1
    )
    one = replayed(spec, CATALOGUE, "one")
    (block,) = one.blocks
    assert list(block["id"]) == [0, 1, 0]
    assert list(block["size"]) == [CATALOGUE.sizes[0], CATALOGUE.sizes[1], CATALOGUE.sizes[0]]
    assert one.bad is not None
    assert one.bad.count == 1


def test_sizes_are_the_matrixs_shares_of_the_catalogue() -> None:
    sizes = sizes_of(experiment(), CATALOGUE)
    assert [(size.text, size.bytes) for size in sizes] == [
        ("1%", int(0.01 * CATALOGUE.bytes)),
        ("10%", int(0.1 * CATALOGUE.bytes)),
    ]


def test_without_shares_sizes_are_those_of_the_proxies() -> None:
    matrix = {"targets": ["process"], "proxies": ["direct", "small", "big"]}
    proxies = {
        "small": {"kind": "varnish", "cache": {"size_mib": 2}},
        "big": {"kind": "varnish", "cache": {"size_share": 0.5}},
    }
    sizes = sizes_of(experiment(matrix=matrix, proxies=proxies, baseline="process"), CATALOGUE)
    assert {size.text: size.bytes for size in sizes} == {"2MiB": 2 << 20, "50%": CATALOGUE.bytes // 2}
    plain = experiment(matrix={"targets": ["process"]}, baseline="process")
    with pytest.raises(SpecError, match="asks for no cache size"):
        sizes_of(plain, CATALOGUE)


def test_shares_that_are_given_are_of_the_catalogue() -> None:
    share, given = of_catalogue(parse_sizes("1%,5kB"), CATALOGUE)
    assert (share.text, share.bytes, given.bytes) == ("1%", CATALOGUE.bytes // 100, 5000)


def test_each_sequence_has_its_curves(asked: Asked) -> None:
    spec = experiment()
    found = experiment_curves(spec, CATALOGUE, chosen("LRU,FIFO"), sizes_of(spec, CATALOGUE))
    assert [curves.source for curves in found] == ["one", "other"]
    assert all((curves.requests, curves.warm_up) == (1000, 250) for curves in found)
    assert [policies for _, policies, _, _ in asked] == [["LRU", "FIFO"]] * 2
    assert not (asked[0][3]["size"] == asked[1][3]["size"]).all()
    with pytest.raises(SpecError, match="no sequence"):
        experiment_curves(experiment(load={"rates_rps": [1]}, sequences={}), CATALOGUE, chosen("LRU"), ())


def test_every_policy_at_each_size_and_the_real_ones_at_their_own(asked: Asked) -> None:
    real = [cache("lru"), cache("lru"), cache("fifo"), cache("clfus"), cache("lfuda", effective=None)]
    found = simulate_experiment(experiment(), CATALOGUE, real)
    size = int(0.01 * CATALOGUE.bytes)
    assert [(policies, sizes) for _, policies, sizes, _ in asked[:3]] == [
        ([policy.name for policy in chosen("all")], [size]),
        (["LRU"], [40_000]),
        (["FIFO"], [40_000]),
    ]
    assert len(asked) == 2 * 3
    assert (found.catalogue_bytes, found.requests, found.warmup) == (CATALOGUE.bytes, 1000, 250)
    matched = [ratio for ratio in found.ratios if ratio.matched]
    assert {(ratio.policy, ratio.sequence, ratio.effective_bytes, ratio.cache_share) for ratio in matched} == {
        (policy, sequence, 40_000, 0.01) for policy in ("LRU", "FIFO") for sequence in ("one", "other")
    }
    assert {(r.by_requests, r.by_bytes) for r in found.ratios} == {(0.5, 0.25)}
    assert "LFUDA" not in {ratio.policy for ratio in found.ratios}
    assert f"one: LFUDA at {size:,} bytes has no result: it crashed." in found.notes
    assert any(note.startswith("other: ") for note in found.notes)


def test_before_any_cache_was_measured_the_sizes_are_those_asked_for(asked: Asked) -> None:
    found = simulate_experiment(experiment(), CATALOGUE, (), policies=chosen("LRU"))
    assert {ratio.cache_share for ratio in found.ratios} == {0.01, 0.1}
    assert not any(ratio.matched for ratio in found.ratios)
    assert len(asked) == 2


def test_without_the_library_nothing_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LIBRARY", "no_such_library")
    with pytest.raises(Unavailable, match="needs libCacheSim"):
        simulate_experiment(experiment(), CATALOGUE, ())


def test_a_sequence_that_does_not_fit_the_catalogue_is_refused(asked: Asked) -> None:
    with pytest.raises(SpecError, match="400 different objects"):
        simulate_experiment(experiment(sequences={"one": ZIPF | {"objects": 400}}), CATALOGUE, ())
    assert asked == []
