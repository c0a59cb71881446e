"""The objects that requests ask for, in the order of a sequence."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import pytest

from harness.errors import LoadError, SpecError
from harness.load.plan import SequencePlan
from harness.load.worker.object_sequence import ObjectRef, ObjectStream, sequence_beside
from harness.load.worker.objects import Objects
from harness.simulation.catalogue import Catalogue
from harness.spec.sequence import CatalogueSpec, SequenceSpec, TraceSpec

CATALOGUE = CatalogueSpec(objects=50, seed=3)
SPEC = SequenceSpec(requests=300, objects=50, exponent=0.9, seed=5)


def taken(wants: ObjectStream, count: int) -> list[ObjectRef]:
    return [wants.take() for _ in range(count)]


def whole() -> list[ObjectRef]:
    return taken(Objects(SequencePlan(CATALOGUE, SPEC), 1).exactly(300), 300)


def test_a_load_gets_the_sequence_from_its_start_and_then_anew() -> None:
    wants = Objects(SequencePlan(CATALOGUE, SPEC, start=100), 1).for_the_load(150)
    assert taken(wants, 900) == (whole()[100:] + whole() * 3)[:900]
    assert (wants.taken, wants.failure) == (900, None)


def test_objects_have_the_sizes_of_the_catalogue() -> None:
    sizes = Catalogue.of(CATALOGUE).sizes.tolist()
    assert all(wanted.size == sizes[wanted.number] for wanted in whole())
    assert len({wanted.number for wanted in whole()}) > 20


def test_what_fills_a_cache_is_what_comes_before_the_start() -> None:
    objects = Objects(SequencePlan(CATALOGUE, SPEC, start=100), 1)
    assert objects.before_the_load(30) == whole()[70:100]
    assert taken(objects.for_the_load(0), 5) == whole()[100:105]


def test_an_open_loop_that_is_longer_than_the_sequence_is_refused() -> None:
    with pytest.raises(LoadError, match="has 200 requests after the first 100, the load 201"):
        Objects(SequencePlan(CATALOGUE, SPEC, start=100), 1).for_the_load(201)


def test_a_replay_longer_than_the_sequence_is_refused_before_it_begins() -> None:
    with pytest.raises(SpecError, match="300 requests, and 301 are needed"):
        Objects(SequencePlan(CATALOGUE, SPEC, start=100), 1).exactly(201)


def test_a_catalogue_that_is_too_small_is_refused() -> None:
    with pytest.raises(SpecError, match="catalogue has 20"):
        Objects(SequencePlan(CatalogueSpec(objects=20), SPEC), 1).for_the_load(1)


def test_a_trace_is_mapped_and_one_that_ends_early_keeps_its_failure(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("".join(f"{number},{key},10\n" for number, key in enumerate([7, 9, 7, 5])))
    plan = SequencePlan(CATALOGUE, TraceSpec(trace=str(path)))
    assert [wanted.number for wanted in taken(Objects(plan, 1).for_the_load(4), 10)] == [0, 1, 0, 2, 0, 1, 0, 2, 0, 1]
    wants = Objects(plan, 1).exactly(5)
    assert len(taken(wants, 4)) == 4
    with pytest.raises(SpecError, match="4 requests, and 5 are needed"):
        wants.take()
    assert isinstance(wants.failure, SpecError)
    assert wants.taken == 4


def test_bad_records_of_a_trace_count_once_however_often_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("1,7,10\nnonsense\n2,8,10\n")
    wants = Objects(SequencePlan(CATALOGUE, TraceSpec(trace=str(path), max_bad=1)), 1).for_the_load(2)
    assert len(taken(wants, 9)) == 9


def test_the_end_of_a_sequence_is_told() -> None:
    wants = ObjectStream(iter([ObjectRef(1, 2)]))
    assert wants.take() == (1, 2)
    with pytest.raises(LoadError, match="at its end"):
        wants.take()
    assert wants.failure is not None


def test_without_requests_the_catalogue_is_asked_for_by_zipfs_law() -> None:
    first, again, other = (Objects(SequencePlan(CATALOGUE), seed).for_the_load(0) for seed in (2**63 + 1, 1, 2))
    numbers = [wanted.number for wanted in taken(first, 2000)]
    assert numbers == [wanted.number for wanted in taken(again, 2000)]
    assert numbers != [wanted.number for wanted in taken(other, 2000)]
    assert numbers.count(0) > 2 * numbers.count(10) > 0
    assert max(numbers) < 50


def test_the_catalogue_is_found_beside_the_locustfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class User: ...

    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setattr(User, "__module__", "shelf_of_a_test")
    module = type(sys)("shelf_of_a_test")
    module.__file__ = str(folder / "locustfile.py")
    monkeypatch.setitem(sys.modules, "shelf_of_a_test", module)
    assert sequence_beside(User) is None
    source = (Path(__file__).parents[4] / "workloads" / "static" / "workload.toml").read_text()
    (folder / "workload.toml").write_text(source.replace('name = "static"', 'name = "shelf"'))
    (folder / "locustfile.py").touch()
    (folder / "app").mkdir()
    found = sequence_beside(User)
    assert found is not None
    assert (found.catalogue.objects, found.requests, found.start) == (100_000, None, 0)
    assert list(islice(Catalogue.of(found.catalogue).sizes, 1))
