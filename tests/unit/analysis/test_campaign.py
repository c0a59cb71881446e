from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.analysis import Campaign, load
from harness.analysis.answer import answer
from harness.analysis.claims import decide
from harness.analysis.frames import MEMORY_COLUMNS, PHASE_COLUMNS, SAMPLE_COLUMNS, TRIAL_COLUMNS
from harness.errors import StoreError
from harness.output.as_json.campaign import show_json
from harness.output.terminal.campaign import show_tables
from harness.records.trial import TrialRecord
from tests.unit.analysis.synthetic import failed, invalid, make_campaign, make_folder
from tests.unit.analysis.synthetic_records import record


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return make_campaign(tmp_path_factory.mktemp("c") / "c", blocks=3, levels_rps=(60.0, 50.0), seconds=10.0)


def everything(campaign: Campaign) -> None:
    """Ask for all that a campaign can tell."""
    assert list(campaign.trials.columns) == list(TRIAL_COLUMNS)
    assert list(campaign.samples.columns) == list(SAMPLE_COLUMNS)
    assert list(campaign.phases.columns) == list(PHASE_COLUMNS)
    assert list(campaign.memory.columns) == list(MEMORY_COLUMNS)
    assert len(decide(campaign)) == 6
    assert answer(campaign).endswith(".")
    json.dumps(show_json(campaign), allow_nan=False)
    show_tables(campaign)


def test_frames_have_their_columns_and_types(campaign: Campaign) -> None:
    everything(campaign)
    assert {name: str(kind) for name, kind in campaign.trials.dtypes.items()} == TRIAL_COLUMNS
    assert {name: str(kind) for name, kind in campaign.samples.dtypes.items()} == SAMPLE_COLUMNS
    assert len(campaign.trials) == 3 * 3 * 2


def test_levels_go_from_low_to_high(campaign: Campaign) -> None:
    assert campaign.levels == ("50 rps", "60 rps")


def test_samples_are_the_measured_window_alone(campaign: Campaign) -> None:
    assert campaign.samples["since_begin_s"].between(0, 10).all()
    assert (campaign.samples["latency_ms"] >= campaign.samples["service_time_ms"]).all()
    assert campaign.samples is campaign.samples
    # The trial's own percentile is the samples'.
    trial = campaign.counted.iloc[0]
    mine = campaign.samples.loc[campaign.samples["trial"] == trial["trial"], "latency_ms"]
    assert trial["latency_p99_ms"] == np.quantile(mine, 0.99, method="inverted_cdf")


def test_phases_add_up_to_the_startup(campaign: Campaign) -> None:
    total = campaign.phases.groupby("trial")["duration_s"].sum()
    expected = campaign.counted.set_index("trial")["startup_s"]
    assert total.sub(expected).abs().max() < 1e-6
    last = campaign.phases.groupby("trial")["phase"].last()
    assert set(last) == {"first_response"}


def test_a_stamp_after_the_first_response_ends_no_phase(tmp_path: Path) -> None:
    def late(made: TrialRecord) -> TrialRecord:
        assert made.startup is not None
        stamps = tuple(
            replace(phase, after_ns=phase.after_ns + 10**9) if phase.name == "first_response" else phase
            for phase in made.startup.phases
        )
        return replace(made, startup=replace(made.startup, phases=stamps))

    found = make_campaign(tmp_path / "c", variants=("process",), with_samples=False, change=late)
    total = found.phases.groupby("trial")["duration_s"].sum()
    assert total.sub(found.counted.set_index("trial")["startup_s"]).abs().max() < 1e-6


def test_the_pss_view_adds_up_to_the_memory_figure(campaign: Campaign) -> None:
    idle = campaign.memory[(campaign.memory["moment"] == "idle") & (campaign.memory["view"] == "pss")]
    total = idle.groupby("trial")["mib"].sum()
    assert total.sub(campaign.counted.set_index("trial")["memory_mib"]).abs().max() < 1e-4
    assert set(campaign.memory.loc[campaign.memory["view"] == "inside", "variant"]) == {"vm"}


def test_loading_again_gives_the_same_figures(campaign: Campaign) -> None:
    again = load(str(campaign.path))
    assert again.comparisons.equals(campaign.comparisons)
    assert answer(again) == answer(campaign)


def test_the_answer_says_emulated(campaign: Campaign) -> None:
    assert answer(campaign).startswith("Against the process, the container takes ")
    assert "the vm (emulated) takes " in answer(campaign)
    assert answer(campaign).count(".\n") == 0


def test_the_answer_says_what_is_not_resolved(tmp_path: Path) -> None:
    found = make_campaign(tmp_path / "c", variants=("process", "container"), spread=0.8, blocks=3, with_samples=False)
    assert "not resolved" in answer(found)
    assert "emulated" not in answer(found)


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_few_blocks_are_no_trouble(tmp_path: Path, blocks: int) -> None:
    found = make_campaign(tmp_path / "c", blocks=blocks, seconds=5.0, aa="process")
    everything(found)
    if blocks == 0:
        assert answer(found) == "No trial was valid, so the question is not answered."
    if blocks == 1:
        assert set(found.comparisons["verdict"]) == {"no interval"}
        assert found.summaries[["low", "high"]].isna().all(axis=None)


def test_failed_trials_alone_are_no_trouble(tmp_path: Path) -> None:
    found = make_campaign(tmp_path / "c", blocks=2, with_samples=False, change=failed)
    everything(found)
    assert not found.trials["valid"].any()
    listed = show_json(found)["failed"]
    assert isinstance(listed, list)
    assert len(listed) == 6


def test_process_alone_is_no_trouble(tmp_path: Path) -> None:
    found = make_campaign(tmp_path / "c", variants=("process",), null=False)
    everything(found)
    assert found.null is None
    assert answer(found).startswith("process alone: startup time 0.")
    assert found.comparisons.empty


def test_a_baseline_without_a_valid_trial_leaves_nothing_to_compare(tmp_path: Path) -> None:
    def broken(made: TrialRecord) -> TrialRecord:
        return failed(made) if made.variant.target == "process" else made

    found = make_campaign(tmp_path / "c", blocks=2, with_samples=False, change=broken)
    everything(found)
    assert "nothing to compare" in answer(found)
    assert "vm (emulated) alone" in answer(found)


def test_the_latest_valid_attempt_of_a_block_counts(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "c", variants=("process",), blocks=1, with_samples=False, change=invalid)
    rng = np.random.default_rng(8)
    attempts = [record("process", "100 rps", 100.0, 1, 1, rng, attempt=number) for number in (2, 3, 4)]
    folder.append(attempts[0])
    folder.append(attempts[1])
    folder.append(invalid(attempts[2]))
    found = load(folder.path)
    assert list(found.trials["valid"]) == [False, True, True, False]
    assert list(found.trials["counts"]) == [False, False, True, False]
    assert list(found.trials["reasons"].str.len()) == [1, 0, 0, 1]
    assert set(found.summaries["n"]) == {1}
    everything(found)


def test_calibration_and_null_trials_are_kept_and_do_not_count(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "c", variants=("process",), blocks=2, with_samples=False)
    extra = record("process", "capacity", 100.0, 0, 1, np.random.default_rng(2))
    folder.append(replace(extra, kind="calibration"))
    found = load(folder.path)
    assert len(found.trials) == 3
    assert found.trials["counts"].sum() == 2
    assert found.levels == ("100 rps",)


def test_no_campaign_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        load(tmp_path)
    assert caught.value.remedy


@pytest.mark.parametrize("damage", ["schema", "manifest", "experiment", "journal", "samples", "lost"])
def test_a_damaged_campaign_is_a_store_error(tmp_path: Path, campaign: Campaign, damage: str) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(campaign.path, folder)
    manifest, journal = folder / "manifest.json", folder / "journal.jsonl"
    sample = sorted(folder.glob("trials/*/samples.parquet"))[0]
    content = json.loads(manifest.read_text())
    if damage == "schema":
        manifest.write_text(json.dumps({**content, "schema_version": 99}))
    elif damage == "manifest":
        manifest.write_text("{")
    elif damage == "experiment":
        manifest.write_text(json.dumps({**content, "experiment": {"name": "x"}}))
    elif damage == "journal":
        lines = journal.read_text().splitlines()
        journal.write_text("\n".join([lines[0], lines[1][:50], *lines[2:]]) + "\n")
    elif damage == "samples":
        sample.write_bytes(b"not parquet")
    else:
        sample.unlink()
    with pytest.raises(StoreError) as caught:
        load(folder)
    assert caught.value.remedy
    assert "\n" not in caught.value.what


def test_a_torn_last_line_is_what_a_killed_run_leaves(tmp_path: Path, campaign: Campaign) -> None:
    folder = tmp_path / "torn"
    shutil.copytree(campaign.path, folder)
    journal = folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-200])
    found = load(folder)
    assert len(found.trials) == len(campaign.trials) - 1
    everything(found)
