"""An event says what happens, to whom, and how long it is watched; placements and events are of their own variants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ExitCode, SpecError
from harness.spec.event import EventSpec
from harness.spec.experiment import Experiment
from harness.spec.files import experiment_of

GOOD = {"kind": "kill", "service": "auth"}


def experiment(**changes: object) -> Experiment:
    data = {
        "name": "x", "question": "?", "workload": "shop", "baseline": "process", "load": {"rates_rps": [1]},
        "matrix": {"targets": ["process", "vm", "mixed"]},
        "placements": {"mixed": {"default": "process", "auth": "vm"}},
    }  # fmt: skip
    return experiment_of("x.toml", {**data, **changes})


def refused(**changes: object) -> SpecError:
    """What such an experiment raises: about its file, and in one line each."""
    with pytest.raises(SpecError) as caught:
        experiment(**changes)
    assert caught.value.what.startswith("x.toml: ")
    assert "\n" not in caught.value.what + caught.value.remedy
    assert caught.value.remedy
    assert caught.value.exit_code is ExitCode.USAGE
    return caught.value


@given(st.floats(0.1, 3600), st.floats(0.1, 3600))
def test_the_load_goes_on_for_as_long_as_it_is_watched(before_s: float, watch_s: float) -> None:
    event = EventSpec(kind="kill", service="auth", before_s=before_s, watch_s=watch_s)
    assert event.slot_s == before_s + watch_s


def test_an_event_is_of_the_targets_that_it_names_or_of_all() -> None:
    found = experiment(events=[GOOD, {**GOOD, "kind": "restart", "targets": ["vm"]}])
    assert {variant.name: [event.kind for event in found.events_of(variant)] for variant in found.variants} == {
        "process": ["kill"], "vm": ["kill", "restart"], "mixed": ["kill"],
    }  # fmt: skip


def test_a_placement_says_where_each_service_is() -> None:
    found = experiment()
    _, vm, mixed = found.variants
    assert [found.target_of(mixed, name) for name in ("auth", "catalog", "proxy")] == ["vm", "process", "process"]
    assert [found.target_of(vm, name) for name in ("auth", "proxy")] == ["vm", "vm"]


@pytest.mark.parametrize(
    ("event", "told", "allowed"),
    [
        ({"kind": "kill"}, "give either service or route", ""),
        ({**GOOD, "route": "/"}, "give either service or route", ""),
        ({**GOOD, "kind": "explode"}, "events.0.kind", "'kill', 'restart', 'replace' or 'scale'"),
        ({**GOOD, "kind": "scale"}, "replicas belongs to an event of kind scale", "which needs it"),
        ({**GOOD, "replicas": 3}, "replicas belongs to an event of kind scale", ""),
        ({**GOOD, "kind": "scale", "replicas": 0}, "events.0.replicas", "greater than or equal to 1"),
        ({**GOOD, "kind": "scale", "replicas": 1000}, "events.0.replicas", "less than or equal to 16"),
        ({**GOOD, "replica": 0}, "events.0.replica", "at least 1, at most 16"),
        ({**GOOD, "kind": "replace", "again": False}, "again = false belongs to", "kill or restart"),
        ({**GOOD, "before_s": 0}, "events.0.before_s", "more than 0"),
        ({**GOOD, "down_s": -1}, "events.0.down_s", "at least 0"),
        ({**GOOD, "watch": 3}, "events.0.watch is not a known key", "watch_s"),
        ({"kind": "kill", "route": "pay"}, "events.0.route", "should match pattern '^/"),
    ],
)
def test_a_mistake_in_an_event_is_named_by_its_key_and_what_is_allowed(
    event: dict[str, object], told: str, allowed: str
) -> None:
    found = refused(events=[event])
    assert told in found.what
    assert allowed in f"{found.what} {found.remedy}"


def test_several_events_are_told_apart() -> None:
    assert "events.1: give either" in refused(events=[GOOD, {"kind": "kill"}]).what
    assert "events" in refused(events=[GOOD] * 17).what


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"placements": {"mixed": {"auth": "vm"}}}, "placements.mixed needs a default"),
        ({"placements": {"mixed": {"default": 3}}}, "placements.mixed.default"),
        ({"matrix": {"targets": ["process"], "replicas": [0]}}, "matrix.replicas.0"),
        ({"matrix": {"targets": ["process"], "replicas": [1000]}}, "matrix.replicas.0"),
        (
            {"matrix": {"targets": ["process", "vm"], "exclude": [{"target": "process"}]}},
            "baseline = 'process' is not one of the variants: vm",
        ),
    ],
)
def test_a_mistake_in_a_placement_or_the_matrix_is_named_by_its_key(changes: dict[str, object], told: str) -> None:
    assert told in refused(**changes).what
