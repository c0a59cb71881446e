"""A campaign's folder: what was appended comes back, and what a kill, a full disk or a hand did to it is told."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StoreError
from harness.records.cache import Simulated, SimulatedRatio
from harness.records.campaign import SCHEMA
from harness.records.load import Levels, NullFloor
from harness.records.trial import TrialRecord
from harness.store.folder import CampaignFolder, newest
from harness.store.written import plain, read_record
from tests.unit.analysis.synthetic import failed, invalid, manifest, null_floor
from tests.unit.analysis.synthetic_records import record

TRIALS = [
    record(name, "100 rps", 100.0, 1, place, np.random.default_rng(place))
    for place, name in enumerate(("process", "vm"))
]
EVENTS: list[TrialRecord | NullFloor | Levels] = [
    null_floor(),
    Levels(rates_rps={"50% of capacity": 81.5}, capacities_rps={"vm": 163.0}),
    TRIALS[0],
    failed(TRIALS[1]),
    invalid(TRIALS[1]),
]


@pytest.fixture
def folder(tmp_path: Path) -> CampaignFolder:
    made = CampaignFolder.create(tmp_path / "campaign", manifest(["process", "vm"], [100.0]))
    for event in EVENTS:
        made.append(event)
    return made


def refusing(number: int) -> Callable[..., None]:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_what_was_appended_comes_back(folder: CampaignFolder) -> None:
    again = CampaignFolder.open(folder.path)
    assert again.manifest == folder.manifest
    assert again.trials() == EVENTS[2:]
    assert again.null_floor() == EVENTS[0]
    assert again.levels() == EVENTS[1]
    assert again.experiment().name == "synthetic"


def test_what_was_simulated_comes_back_and_may_be_replaced(folder: CampaignFolder) -> None:
    assert folder.simulated() is None
    folder.write_simulated(Simulated(why_not="no library", remedy="install it"))
    ratio = SimulatedRatio(
        policy="LRU", sequence="s", cache_share=0.01, effective_bytes=10, by_requests=0.5, by_bytes=1
    )
    found = Simulated(catalogue_bytes=1000, requests=10, warmup=2, ratios=(ratio,))
    folder.write_simulated(found)
    assert CampaignFolder.open(folder.path).simulated() == found
    (folder.path / "simulated.json").write_text('{"ratios": 1}')
    with pytest.raises(StoreError, match=r"simulated.json cannot be read: ratios: ") as raised:
        folder.simulated()
    assert "Remove it" in raised.value.remedy


def test_a_full_disk_keeps_no_half_simulation(folder: CampaignFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_text", refusing(errno.ENOSPC))
    with pytest.raises(StoreError, match="No space left"):
        folder.write_simulated(Simulated())
    assert folder.simulated() is None


def test_the_last_word_on_levels_and_floor_counts(folder: CampaignFolder) -> None:
    later = Levels(rates_rps={"50% of capacity": 10.0})
    folder.append(later)
    assert folder.levels() == later


def test_an_empty_campaign_has_nothing(tmp_path: Path) -> None:
    made = CampaignFolder.create(tmp_path / "c", manifest(["process"], [1.0]))
    assert (made.trials(), made.null_floor(), made.levels()) == ([], None, None)
    (made.path / "journal.jsonl").unlink()
    assert made.trials() == []


def test_a_line_is_on_the_disk_before_append_returns(folder: CampaignFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    folder.append(TRIALS[0])
    assert synced == [(folder.path / "journal.jsonl").stat().st_size]


@given(cut=st.integers(1, 10_000))
def test_a_torn_last_line_is_forgotten_wherever_it_is_torn(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = CampaignFolder.create(tmp_path_factory.mktemp("torn") / "c", manifest(["process"], [1.0]))
    folder.append(TRIALS[0])
    whole = (folder.path / "journal.jsonl").read_bytes()
    folder.append(TRIALS[1])
    journal = (folder.path / "journal.jsonl").read_bytes()
    torn = journal[: max(len(whole), len(journal) - cut)]
    (folder.path / "journal.jsonl").write_bytes(torn)
    assert folder.trials() == [TRIALS[0]]
    folder.append(TRIALS[1])
    assert (folder.path / "journal.jsonl").read_bytes() == journal


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"3",
        b'{"event":"trial"}',
        b'{"event":"trial","data":{}}',
        b'{"event":"none","data":{}}',
        b"\xff\xfe",
        b"",
    ],
)
def test_a_damaged_line_is_named_by_its_number(folder: CampaignFolder, line: bytes) -> None:
    journal = folder.path / "journal.jsonl"
    lines = journal.read_bytes().split(b"\n")
    lines[2] = line
    journal.write_bytes(b"\n".join(lines))
    with pytest.raises(StoreError) as caught:
        folder.trials()
    assert f"{journal}, line 3 is damaged" in caught.value.what
    assert "\n" not in caught.value.what + caught.value.remedy


def test_a_campaign_is_never_written_over(folder: CampaignFolder) -> None:
    with pytest.raises(StoreError) as caught:
        CampaignFolder.create(folder.path, folder.manifest)
    assert "--resume" in caught.value.remedy
    assert folder.trials() == EVENTS[2:]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "schema version None"),
        (json.dumps({"schema_version": SCHEMA + 1}), f"schema version {SCHEMA + 1}; this Tare reads version {SCHEMA}"),
        (json.dumps({"schema_version": SCHEMA}), "is not a manifest: campaign: "),
    ],
)
def test_another_manifest_is_refused(folder: CampaignFolder, text: str, said: str) -> None:
    (folder.path / "manifest.json").write_text(text)
    with pytest.raises(StoreError) as caught:
        CampaignFolder.open(folder.path)
    assert said in caught.value.what
    assert str(folder.path) in caught.value.what


def test_a_folder_without_a_campaign_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no campaign"):
        CampaignFolder.open(tmp_path)


def test_an_experiment_that_is_none_is_told(tmp_path: Path) -> None:
    wrong = replace(manifest(["process"], [1.0]), experiment={"name": "x"})
    with pytest.raises(StoreError, match="holds no valid experiment: question"):
        CampaignFolder.create(tmp_path / "c", wrong).experiment()


def test_a_full_disk_keeps_what_was_measured_and_says_how_to_go_on(
    folder: CampaignFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refusing(errno.ENOSPC))
        with pytest.raises(StoreError) as caught:
            folder.append(TRIALS[0])
    assert "No space left on device" in caught.value.what
    assert f"tare run --resume {folder.path}" in caught.value.remedy
    assert folder.trials()[: len(EVENTS) - 2] == EVENTS[2:]


def test_a_full_disk_leaves_no_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", refusing(errno.ENOSPC))
    with pytest.raises(StoreError) as caught:
        CampaignFolder.create(tmp_path / "c", manifest(["process"], [1.0]))
    assert "--resume" not in caught.value.remedy
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["trials"]


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as caught:
        CampaignFolder.create(tmp_path / "file" / "c", manifest(["process"], [1.0]))
    assert "--out" in caught.value.remedy
    with pytest.raises(StoreError, match="Cannot write"):
        CampaignFolder(tmp_path / "file", manifest(["process"], [1.0])).trial_folder("b1-01-process-a1")


def test_the_newest_is_the_one_created_last(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        newest(tmp_path)
    assert "tare run" in caught.value.remedy
    for name, created in (("b", "2026-03-01"), ("a", "2026-03-02"), ("c", "2026-02-27")):
        CampaignFolder.create(tmp_path / name, replace(manifest(["p"], [1.0]), created_utc=created))
    (tmp_path / "strange").mkdir()
    assert newest(tmp_path) == tmp_path / "a"


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 0}'])
def test_one_that_cannot_be_read_is_in_nobodys_way(tmp_path: Path, text: str) -> None:
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "manifest.json").write_text(text)
    assert newest(tmp_path) == tmp_path / "z"
    CampaignFolder.create(tmp_path / "a", manifest(["p"], [1.0]))
    assert newest(tmp_path) == tmp_path / "a"


def test_the_tag_is_the_random_end_of_the_name() -> None:
    named = replace(manifest(["p"], [1.0]), campaign="20260101-120000-quick-start-0a1b2c")
    assert named.tag == "0a1b2c"


@pytest.mark.parametrize(
    ("outcome", "reasons", "valid"), [("ok", (), True), ("ok", ("steal",), False), ("failed", (), False)]
)
def test_an_attempt_counts_if_it_ended_well_and_nothing_disturbed_it(
    outcome: Literal["ok", "failed"], reasons: tuple[str, ...], valid: bool
) -> None:
    assert replace(TRIALS[0], outcome=outcome, invalid=reasons).valid is valid


def test_an_unknown_key_of_a_newer_version_is_not_read_over() -> None:
    with pytest.raises(ValueError, match="Unexpected"):
        read_record(TrialRecord, plain(TRIALS[0]) | {"colour": "red"})
