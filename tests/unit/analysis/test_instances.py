"""The frames of instances and of what each served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.analysis import Campaign
from harness.analysis.instances import INSTANCE_COLUMNS, SERVED_COLUMNS
from harness.records.trial import TrialRecord
from tests.unit.analysis.synthetic import make_campaign
from tests.unit.analysis.synthetic_sets import Made, make_sets


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    path = tmp_path_factory.mktemp("c") / "c"
    return make_sets(path, topologies=("microservices",), replicas=(1, 3), blocks=2, events=(), spread=(0.6, 0.4, 0.0))


def test_a_row_per_instance(campaign: Campaign) -> None:
    frame = campaign.instances
    assert list(frame.columns) == list(INSTANCE_COLUMNS)
    one = frame[frame["trial"] == "b1-01-microservices-container"]
    assert one["instance"].tolist() == ["auth", "catalog", "payments", "broker"]
    late = one[one["instance"] == "broker"].iloc[0]
    assert late["ready_after_s"] == pytest.approx(late["startup_s"] + 0.3)
    proxied = frame[frame["trial"] == "b1-03-microservices-container-nginx-x3"]
    assert proxied[proxied["role"] == "proxy"]["instance"].tolist() == ["proxy"]
    assert len(proxied) == 3 * 3 + 1 + 1


def test_an_instances_cpu_is_over_the_deployments_requests(campaign: Campaign) -> None:
    trial = campaign.counted.iloc[0]
    own = campaign.instances[campaign.instances["trial"] == trial["trial"]]
    # Every synthetic instance was given the CPU time of the whole.
    assert own["cpu_ms_per_request"].tolist() == pytest.approx([trial["cpu_ms_per_request"]] * len(own))


def test_shares_are_of_a_service_and_one_that_served_nothing_is_there(campaign: Campaign) -> None:
    frame = campaign.served
    assert list(frame.columns) == list(SERVED_COLUMNS)
    spread = frame[(frame["trial"] == "b1-03-microservices-container-nginx-x3") & (frame["service"] == "auth")]
    shares = dict(zip(spread["instance"], spread["share"], strict=True))
    assert shares == pytest.approx({"auth": 0.6, "auth-2": 0.4, "auth-3": 0.0})
    assert set(spread["replicas"]) == {3}
    alone = frame[frame["trial"] == "b1-02-microservices-container-nginx"]
    assert set(alone["share"]) == {1.0}
    assert "broker" not in set(frame["service"])


def test_an_orchestrators_replicas_are_told_apart_though_they_are_one_instance(tmp_path: Path) -> None:
    def orchestrated(made: TrialRecord) -> TrialRecord:
        kept = tuple(one for one in made.instances if "-" not in one.name)
        return replace(made, instances=kept, served={"svc": 10, "svc-4": 30})

    made = Made(("single",), ("swarm",), ("nginx",), (3,), events=(), blocks=1, change=orchestrated)
    frame = make_sets(tmp_path / "c", made).served
    assert dict(zip(frame["instance"], frame["share"], strict=True)) == {"svc": 0.25, "svc-2": 0.0, "svc-4": 0.75}


def test_a_service_that_was_scaled_later_had_one_replica(tmp_path: Path) -> None:
    def scaled(made: TrialRecord) -> TrialRecord:
        return replace(made, served={"svc": 90, "svc-2": 10})

    frame = make_sets(
        tmp_path / "c", topologies=("single",), proxies=("nginx",), blocks=1, events=(), change=scaled
    ).served
    assert set(frame["replicas"]) == {1}


def test_without_instances_the_frames_are_empty(tmp_path: Path) -> None:
    plain = make_campaign(tmp_path / "c", blocks=1)
    assert plain.instances.empty
    assert plain.served.empty
    assert list(plain.instances.columns) == list(INSTANCE_COLUMNS)
