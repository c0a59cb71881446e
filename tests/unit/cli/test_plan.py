"""``tare plan``: the same file gives the same text, and nothing is deployed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.main import run_command
from harness.host import facts
from tests.support.fake_host import FakeHost

SHOWN = """\
What does a tiny service weigh?
┏━━━━━━━┳━━━━━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━┳━━━━━━━┓
┃ block ┃ trial       ┃ variant ┃ load    ┃ about ┃
┡━━━━━━━╇━━━━━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━╇━━━━━━━┩
│ 1     │ b1-01-other │ other   │ 100 rps │ 10 s  │
│ 1     │ b1-02-fake  │ fake    │ 100 rps │ 5 s   │
│ 2     │ b2-01-other │ other   │ 100 rps │ 10 s  │
│ 2     │ b2-02-fake  │ fake    │ 100 rps │ 5 s   │
└───────┴─────────────┴─────────┴─────────┴───────┘
4 trials, about 50 s, without what is built once and kept (artifacts, the guest's
disk).
"""


@pytest.fixture(autouse=True)
def nothing_is_asked_of_the_host(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.folder == Path.cwd()
    monkeypatch.setenv("COLUMNS", "82")
    monkeypatch.setattr(facts, "collect", lambda: pytest.fail("it looked at the host"))


def trials(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, object]]:
    assert run_command(["plan", "benches/tiny.toml", "--json", *options]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    data = json.loads(shown.out)
    assert data["expected_s"] > sum(trial["expected_s"] for trial in data["trials"])
    found: list[dict[str, object]] = data["trials"]
    return found


def test_the_table_is_stable(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["plan", "benches/tiny.toml"]) == 0
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == SHOWN.splitlines()


def test_json_is_json_alone_and_the_same_every_time(capsys: pytest.CaptureFixture[str]) -> None:
    first = trials(capsys)
    assert first == trials(capsys)
    assert first[0] == {
        "name": "b1-01-other", "kind": "measured", "block": 1, "position": 1, "variant": "other", "level": "100 rps",
        "expected_s": pytest.approx(10.02),
    }  # fmt: skip


def test_the_options_shape_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(trials(capsys, "--quick")) == 2
    assert len(trials(capsys, "--repeats", "5")) == 10
    assert {trial["variant"] for trial in trials(capsys, "--only", "f*")} == {"fake"}
    orders = {tuple(str(trial["name"]) for trial in trials(capsys, "--seed", str(seed))) for seed in range(8)}
    assert len(orders) > 1


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('"other"', '"lambda"', "There is no target 'lambda'."),
        ('workload = "tiny"', 'workload = "huge"', "There is no workload 'huge'"),
        ("settle_s = 0", "settle_s = -1", "settle_s: "),
        ("repeats = 2", "repeat = 2", "repeat is not a known key"),
        ("[quick]\nrepeats = 1", '[quick]\nrepeats = "x"', "quick.repeats: "),
        ("[load]", "[load", "is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_key(
    host: FakeHost, capsys: pytest.CaptureFixture[str], old: str, new: str, what: str
) -> None:
    host.edit(old, new)
    assert run_command(["plan", "benches/tiny.toml"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert what in first
    assert second.startswith("Try: ")
