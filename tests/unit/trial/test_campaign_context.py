"""What a topology's services are deployed from has one digest, and only what clients reach is replicated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.trial.campaign_context import set_digest
from tests.support.fake_sets import SET, digest, set_bench

NAMES = st.sampled_from(["auth", "broker", "catalog", "payments"])
DIGESTS = st.integers(0, 3).map(digest)


@given(st.dictionaries(NAMES, DIGESTS, min_size=1).flatmap(lambda d: st.tuples(st.just(d), st.permutations(list(d)))))
def test_the_order_of_the_services_says_nothing(found: tuple[dict[str, str], list[str]]) -> None:
    digests, order = found
    assert set_digest({name: digests[name] for name in order}) == set_digest(digests)
    assert set_digest(digests).startswith("sha256:")


@given(st.dictionaries(NAMES, DIGESTS, min_size=2), st.dictionaries(NAMES, DIGESTS, min_size=2))
def test_other_services_or_other_digests_are_another_set(one: dict[str, str], other: dict[str, str]) -> None:
    assert (set_digest(one) == set_digest(other)) == (one == other)


def test_a_single_service_keeps_its_own() -> None:
    assert set_digest({"svc": digest(7)}) == digest(7)


def test_a_topologys_digest_is_that_of_its_own_services_alone(tmp_path: Path) -> None:
    made = set_bench(tmp_path / "c", topology={"services": ("catalog", "broker"), "routes": {"/": "catalog"}})
    expected = {name: made.deployables[name].artifact.digest for name in ("broker", "catalog")}
    assert made.setting.digest_of(SET) == set_digest(expected)


def test_only_what_clients_reach_is_replicated(tmp_path: Path) -> None:
    made = set_bench(tmp_path / "c")
    many = replace(made.variant, replicas=3)
    assert {name: made.setting.replicas_of(many, name) for name in made.members} == {
        "payments": 3, "catalog": 3, "broker": 1,
    }  # fmt: skip
