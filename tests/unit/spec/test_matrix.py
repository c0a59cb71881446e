"""The variants are the matrix's combinations less the excluded ones, each under a name of its own."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.records.variant import Variant
from harness.spec.matrix import Combination, Matrix, variant_name
from harness.spec.proxy import DIRECT
from harness.spec.topology import SINGLE

TOPOLOGIES = ("single", "shop", "shop-vm")
TARGETS = ("vm", "vm-nginx", "process", "process-aa")
PROXIES = ("direct", "nginx", "x2")
REPLICAS = (1, 2, 3)


def some(values: tuple[object, ...]) -> st.SearchStrategy[list[object]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)


COMBINATIONS = st.fixed_dictionaries(
    {},
    optional={
        "topology": st.sampled_from(TOPOLOGIES),
        "target": st.sampled_from(TARGETS),
        "proxy": st.sampled_from(PROXIES),
        "replicas": st.sampled_from(REPLICAS),
    },
).filter(bool)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, object]:
    return {
        "topologies": draw(some(TOPOLOGIES)),
        "targets": draw(some(TARGETS)),
        "proxies": draw(some(PROXIES)),
        "replicas": draw(some(REPLICAS)),
        "exclude": draw(st.lists(COMBINATIONS, max_size=2)),
        "aa": draw(st.none() | st.sampled_from(["vm", "process", "shop-vm", "vm-nginx"])),
    }


def matrix(**table: object) -> Matrix:
    return Matrix.model_validate({"targets": ["process"], **table})


def excluded(variant: Variant, combination: Combination) -> bool:
    wanted = combination.model_dump(exclude_none=True)
    return {key: getattr(variant, key) for key in wanted} == wanted


@given(tables())
def test_names_are_unique_or_the_matrix_is_refused(table: dict[str, object]) -> None:
    try:
        found = matrix(**table)
    except ValidationError as error:
        told = error.errors()[0]["msg"]
        assert any(part in told for part in ("exclude leaves no", "is not one of the variants", "both called"))
    else:
        names = [variant.name for variant in found.variants("w")]
        assert len(set(names)) == len(names)


@given(tables())
def test_what_is_left_is_every_combination_that_is_not_excluded(table: dict[str, object]) -> None:
    try:
        found = matrix(**table)
    except ValidationError:
        return
    plain = [variant for variant in found.variants("w") if not variant.aa]
    every = [
        Variant(name=variant_name(*key), workload="w", topology=key[0], target=key[1], proxy=key[2], replicas=key[3])
        for key in product(found.topologies, found.targets, found.proxies, found.replicas)
        if not (key[2] == DIRECT and key[3] > 1)
    ]
    assert plain == [each for each in every if not any(excluded(each, out) for out in found.exclude)]


@given(tables())
def test_the_second_of_a_pair_follows_the_first_and_differs_in_name_alone(table: dict[str, object]) -> None:
    try:
        variants = matrix(**table).variants("w")
    except ValidationError:
        return
    seconds = [variant for variant in variants if variant.aa]
    assert len(seconds) == (table["aa"] is not None)
    for second in seconds:
        first = variants[variants.index(second) - 1]
        assert second == replace(first, name=f"{table['aa']}-aa", aa=True)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ((SINGLE, "process", DIRECT, 1), "process"),
        (("shop", "container", "nginx", 3), "shop-container-nginx-x3"),
        ((SINGLE, "vm", "nginx", 1), "vm-nginx"),
    ],
)
def test_a_name_says_what_is_not_plain(key: tuple[str, str, str, int], name: str) -> None:
    assert variant_name(*key) == name


def test_direct_is_never_combined_with_several_replicas() -> None:
    found = matrix(proxies=["direct", "nginx"], replicas=[1, 3]).variants("w")
    assert [variant.name for variant in found] == ["process", "process-nginx", "process-nginx-x3"]


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"replicas": [0]}, "greater than or equal to 1"),
        ({"replicas": [1000]}, "less than or equal to 16"),
        ({"replicas": [1, 1]}, "a number of replicas is named twice"),
        ({"replicas": [2]}, "exclude leaves no combination"),
        ({"topologies": ["shop", "shop"]}, "a topology is named twice"),
        ({"proxies": ["nginx", "nginx"]}, "a proxy is named twice"),
        ({"proxies": []}, "at least 1 item"),
        ({"exclude": [{}]}, "give at least one of topology, target, proxy, replicas"),
        ({"exclude": [{"targets": ["process"]}]}, "Extra inputs"),
        ({"exclude": [{"target": "process"}]}, "exclude leaves no combination"),
        ({"targets": ["vm", "vm-nginx"], "proxies": ["direct", "nginx"]}, "two variants are both called 'vm-nginx'"),
        ({"targets": ["vm", "vm-aa"], "aa": "vm"}, "two variants are both called 'vm-aa'"),
    ],
)
def test_what_is_no_matrix_is_refused(table: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        matrix(**table)
