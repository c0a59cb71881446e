"""What a proxy adds, against the same variant without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.analysis.proxies import ADDED_COLUMNS
from tests.unit.analysis.synthetic import make_campaign
from tests.unit.analysis.synthetic_sets import make_sets


def test_the_latency_that_was_added_is_found_with_an_interval(tmp_path: Path) -> None:
    campaign = make_sets(
        tmp_path / "c",
        topologies=("single",),
        proxies=("direct", "nginx", "squid"),
        replicas=(1, 3),
        events=(),
        blocks=5,
        rate=200.0,
    )
    frame = campaign.proxies
    assert list(frame.columns) == list(ADDED_COLUMNS)
    medians = frame[frame["metric"] == "latency_p50_ms"].set_index("variant")
    assert list(medians.index) == ["container-nginx", "container-nginx-x3", "container-squid", "container-squid-x3"]
    # Several replicas are compared with the one that is reached directly.
    assert set(medians["direct"]) == {"container"}
    for name, truth in (("container-nginx", 0.4), ("container-squid", 0.9)):
        row = medians.loc[name]
        assert row["low"] < row["added_ms"] < row["high"]
        assert row["added_ms"] == pytest.approx(truth, abs=0.15)
        assert (row["n"], row["verdict"]) == (5, "worse")


def test_without_the_direct_variant_nothing_is_added(tmp_path: Path) -> None:
    campaign = make_sets(tmp_path / "c", topologies=("single",), proxies=("nginx",), events=(), blocks=1)
    assert campaign.proxies.empty


def test_one_block_gives_no_interval(tmp_path: Path) -> None:
    campaign = make_sets(tmp_path / "c", topologies=("single",), events=(), blocks=1)
    assert set(campaign.proxies["verdict"]) == {"no interval"}
    assert campaign.proxies["low"].isna().all()


def test_a_campaign_without_proxies_has_an_empty_frame(tmp_path: Path) -> None:
    frame = make_campaign(tmp_path / "c", blocks=1).proxies
    assert frame.empty
    assert list(frame.columns) == list(ADDED_COLUMNS)
