"""Events in the samples: moments, counts, what is slow, the timeline."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from harness.analysis import Campaign
from harness.analysis.events import EVENT_COLUMNS, REQUEST_COLUMNS, TIMELINE_COLUMNS, slow_above_ms
from harness.spec.event import EventSpec
from tests.unit.analysis.synthetic import make_campaign
from tests.unit.analysis.synthetic_sets import Made, make_sets


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return make_sets(tmp_path_factory.mktemp("c") / "c")


def of(frame: pd.DataFrame, variant: str, number: int) -> pd.DataFrame:
    return frame[(frame["variant"] == variant) & (frame["number"] == number)]


def test_a_row_per_event_with_its_times(campaign: Campaign) -> None:
    assert list(campaign.events.columns) == list(EVENT_COLUMNS)
    assert len(campaign.events) == 3 * 6 * 2
    kill = of(campaign.events, "microservices-container", 1)
    assert set(kill["kind"]) == {"kill"}
    assert set(kill["service"]) == {"payments"}
    assert kill["down_s"].tolist() == [2.0] * 3
    assert kill["begin_s"].tolist() == [7.0] * 3
    assert kill["recovered"].all()


def test_requests_fail_during_the_event_alone(campaign: Campaign) -> None:
    for variant in ("microservices-container", "monolith-container"):
        kill = of(campaign.events, variant, 1)
        assert (kill["failed_before"] == 0).all()
        assert (kill["failed_during"] > 0).all()
        assert (kill["failed_after"] == 0).all()
        assert kill["requests_before"].between(120, 280).all()
    whole, split = (of(campaign.events, f"{name}-container", 1) for name in ("monolith", "microservices"))
    assert (whole["failed_during"] == whole["requests_during"]).all()
    assert (split["failed_during"] < split["requests_during"] * 0.3).all()


def test_by_task_only_those_of_the_killed_service_fail(campaign: Campaign) -> None:
    found = campaign.event_requests
    assert list(found.columns) == list(REQUEST_COLUMNS)
    during = of(found, "microservices-container", 1).query("moment == 'during'")
    failed = during[during["failed"] > 0]
    assert set(failed["task"]) == {"pay"}
    assert set(during["task"]) == {"catalog_list", "catalog_item", "auth_login", "pay"}
    assert during[during["task"] == "catalog_list"]["latency_p50_ms"].notna().all()
    assert failed["latency_p50_ms"].isna().all()


def test_the_events_counts_are_the_tasks_sums(campaign: Campaign) -> None:
    sums = campaign.event_requests.groupby(["trial", "number", "moment"])["requests"].sum()
    for row in campaign.events.to_dict("records"):
        for moment in ("before", "during", "after"):
            assert row[f"requests_{moment}"] == sums.get((row["trial"], row["number"], moment), 0)


def test_the_timeline_has_whole_bins_around_the_act(campaign: Campaign) -> None:
    frame = campaign.timeline
    assert list(frame.columns) == list(TIMELINE_COLUMNS)
    one = of(frame, "monolith-container", 1).query("trial.str.startswith('b1-')")
    assert one["since_event_s"].tolist() == [index * 0.25 for index in range(-8, 24)]
    down = one["since_event_s"].between(0, 1.9)
    assert (one.loc[down, "answered"] == 0).all()
    assert (one.loc[~down, "failed"] == 0).all()


def test_an_event_that_is_not_to_end_lasts_to_the_end_of_the_watch(tmp_path: Path) -> None:
    stays_down = EventSpec(kind="kill", route="/payments", again=False, watch_s=3.0)
    made = Made(topologies=("microservices",), proxies=("direct",), events=(stays_down,), blocks=1)
    row = make_sets(tmp_path / "c", made).events.iloc[0]
    assert not row["recovered"]
    assert pd.isna(row["down_s"])
    assert row["requests_after"] == 0


def test_slow_is_measured_by_the_trials_own_window() -> None:
    def window(latencies_ms: list[float]) -> pd.DataFrame:
        done = [round(value * 1e6) for value in latencies_ms]
        return pd.DataFrame({"intended_ns": 0, "done_ns": done, "phase": "measured", "outcome": "ok", "task": "t"})

    assert slow_above_ms(window([1.0] * 400)) == 10.0
    assert slow_above_ms(window([8.0] * 400)) == pytest.approx(24.0)
    # Too few requests for a p99: the slowest one takes its place.
    assert slow_above_ms(window([1.0, 7.0])) == pytest.approx(21.0)
    assert slow_above_ms(window([])) == 10.0


def test_a_campaign_without_events_has_empty_frames(tmp_path: Path) -> None:
    plain = make_campaign(tmp_path / "c", blocks=1)
    for frame, columns in (
        (plain.events, EVENT_COLUMNS),
        (plain.event_requests, REQUEST_COLUMNS),
        (plain.timeline, TIMELINE_COLUMNS),
    ):
        assert frame.empty
        assert list(frame.columns) == list(columns)
