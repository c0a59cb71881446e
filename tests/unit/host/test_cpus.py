from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import Unavailable
from harness.host.cpu_lists import cpu_list, parse_cpu_list
from harness.host.cpus import siblings_of, split_cpus


def pairs(cpu: int) -> frozenset[int]:
    return frozenset({cpu - cpu % 2, cpu - cpu % 2 + 1})


def alone(cpu: int) -> frozenset[int]:
    return frozenset({cpu})


@given(st.frozensets(st.integers(0, 300)))
def test_lists_survive_the_kernels_notation(cpus: frozenset[int]) -> None:
    assert parse_cpu_list(cpu_list(cpus)) == cpus


def test_ranges() -> None:
    assert parse_cpu_list("0-2,8,10-11\n") == {0, 1, 2, 8, 10, 11}


@given(st.frozensets(st.integers(0, 31), min_size=2), st.floats(0.1, 8), st.sampled_from([pairs, alone]))
def test_generator_and_service_never_share_a_cpu(available: frozenset[int], wanted: float, siblings: object) -> None:
    assert callable(siblings)
    if math.ceil(wanted) > len(available) - 1:
        with pytest.raises(Unavailable):
            split_cpus(available, wanted, siblings)
        return
    split = split_cpus(available, wanted, siblings)
    assert split.generator
    assert len(split.service) == math.ceil(wanted)
    assert not split.generator & split.service
    assert split.generator | split.service <= available
    shared = {cpu for cpu in split.service if siblings(cpu) & split.generator}
    other_cores = {cpu for cpu in available if not siblings(min(available)) & {cpu}}
    assert not shared or math.ceil(wanted) > len(other_cores)


def test_the_service_gets_whole_cores_first() -> None:
    split = split_cpus(frozenset(range(8)), 2, pairs)
    assert split.generator == {0, 1}
    assert split.service == {2, 4}


def test_one_core_with_two_threads_still_works() -> None:
    split = split_cpus(frozenset({0, 1}), 1, pairs)
    assert split.generator == {0}
    assert split.service == {1}


def test_one_cpu_is_not_enough() -> None:
    with pytest.raises(Unavailable) as caught:
        split_cpus(frozenset({3}), 1, alone)
    assert "at least 2 CPUs" in caught.value.remedy


def test_a_service_that_wants_too_much_is_told_how_much_there_is() -> None:
    with pytest.raises(Unavailable) as caught:
        split_cpus(frozenset({0, 1, 2}), 3, alone)
    assert "cpus = 2 or less" in caught.value.remedy


def test_siblings_as_the_kernel_lists_them(tmp_path: Path) -> None:
    (tmp_path / "cpu1/topology").mkdir(parents=True)
    (tmp_path / "cpu1/topology/thread_siblings_list").write_text("1,5\n")
    assert siblings_of(1, tmp_path) == {1, 5}
    assert siblings_of(2, tmp_path) == {2}
