from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.analysis import differences, load, parse_rule, regressions
from harness.analysis.compare import compare
from harness.errors import SpecError
from harness.records.campaign import ArtifactRecord
from harness.records.trial import TrialRecord
from harness.store.folder import CampaignFolder
from tests.unit.analysis.synthetic import make_campaign, make_folder


def slower(made: TrialRecord) -> TrialRecord:
    assert made.startup is not None
    if made.variant.target != "container":
        return made
    startup = replace(made.startup, total_ns=int(made.startup.total_ns * 1.5))
    return replace(made, startup=startup)


def test_a_change_that_is_there_is_found_and_nothing_else(tmp_path: Path) -> None:
    before = make_campaign(tmp_path / "a", seed=11, aa="process", blocks=6, with_samples=False)
    after = make_campaign(tmp_path / "b", seed=12, aa="process", blocks=6, with_samples=False, change=slower)
    frame = compare(before, after)
    assert differences(before, after) == ()
    row = frame[(frame["variant"] == "container") & (frame["metric"] == "startup_s")].iloc[0]
    assert row["low"] < 1.5 < row["high"]
    assert (row["verdict"], row["n_a"], row["n_b"]) == ("worse", 6, 6)
    assert "process-aa" not in set(frame["variant"])
    broken = regressions(frame, [parse_rule("startup_s>5%")])
    assert list(broken["variant"]) == ["container"]
    assert regressions(frame, [parse_rule("startup_s>90%")]).empty


def test_a_campaign_against_itself_shows_nothing(tmp_path: Path) -> None:
    campaign = make_campaign(tmp_path / "a", with_samples=False)
    frame = compare(campaign, campaign)
    assert set(frame["verdict"]) == {"not resolved"}
    assert frame["ratio"].sub(1).abs().max() < 1e-9
    assert frame["noise_floor"].isna().all()


def test_one_trial_each_gives_no_interval(tmp_path: Path) -> None:
    one = make_campaign(tmp_path / "a", blocks=1, with_samples=False)
    assert set(compare(one, one)["verdict"]) == {"no interval"}


def test_what_is_not_alike_is_listed_and_strict_refuses(tmp_path: Path) -> None:
    one = make_campaign(tmp_path / "a", with_samples=False)
    folder = make_folder(tmp_path / "b", with_samples=False)
    host = replace(folder.manifest.host, kernel="7.0", engines={"docker": "30.0"})
    artifacts = {"svc": ArtifactRecord(digest="sha256:" + "00" * 32, source="synthetic")}
    changed = replace(folder.manifest, host=host, artifacts=artifacts)
    other = CampaignFolder.create(tmp_path / "c", changed)
    for made in folder.trials():
        other.append(made)
    found = differences(one, load(other.path))
    assert found == (
        "host kernel: 6.1.0-host against 7.0",
        "docker: 20.10.24 against 30.0",
        "libvirt: 9.0.0 against absent",
        "artifact of svc: 5f5f5f5f5f5f against 000000000000",
    )
    assert len(compare(one, load(other.path))) > 0
    with pytest.raises(SpecError) as caught:
        compare(one, load(other.path), strict=True)
    assert "host kernel" in caught.value.what


def test_nothing_in_common_is_refused(tmp_path: Path) -> None:
    one = make_campaign(tmp_path / "a", variants=("process",), with_samples=False)
    other = make_campaign(tmp_path / "b", variants=("vm",), with_samples=False)
    with pytest.raises(SpecError, match="in common"):
        compare(one, other)
    empty = make_campaign(tmp_path / "c", variants=("process",), blocks=0)
    with pytest.raises(SpecError, match="in common"):
        compare(one, empty)


def test_another_load_is_a_difference(tmp_path: Path) -> None:
    one = make_campaign(tmp_path / "a", variants=("process",), with_samples=False)
    other = make_campaign(tmp_path / "b", variants=("process",), levels_rps=(100.0, 50.0), with_samples=False)
    assert differences(one, other) == ("experiment: [load] differs",)
    assert set(compare(one, other)["level"]) == {"100 rps"}
