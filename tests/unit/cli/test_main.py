"""The commands there are, what they say of themselves, and how a failure is told: two lines and an exit code."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from harness.cli import show
from harness.cli.main import run_command, tare
from harness.errors import BuildError, DeployError, LoadError, NotReady, SpecError, StoreError, TareError, Unavailable
from harness.runtime.signals import Interrupted
from tests.support.fake_host import FakeHost

NO_CAMPAIGN = "{} holds no campaign (no manifest.json)."
NAME_ONE = "Name a folder that `tare run` printed."
NAME_AN_EXPERIMENT = "Name an experiment, such as benches/quickstart.toml."
RESUME_ALONE = "--resume finishes a campaign as it was begun: give nothing else with it."
CONTRACT = {"doctor", "provision", "plan", "run", "quick", "show", "report", "compare", "sweep", "cache"}


def two_lines(text: str) -> tuple[str, str]:
    """What stands on standard error: what happened, and what to do."""
    first, second = text.splitlines()
    assert first.startswith("Error: ")
    assert second.startswith("Try: ")
    assert "Traceback" not in text
    return first.removeprefix("Error: "), second.removeprefix("Try: ")


def test_the_commands_of_the_contract_are_there_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(tare.commands) == CONTRACT
    assert run_command(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in CONTRACT)
    assert "130 interrupted" in " ".join(shown.split())


@pytest.mark.parametrize("name", sorted(CONTRACT))
def test_every_command_and_every_option_is_documented(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = tare.commands[name]
    assert command.help
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert all(option.help and option.help.endswith(".") for option in options)
    assert run_command([name, "-h"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: tare {name} ")
    assert all(option.opts[-1] in shown for option in options)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tare, version ")


@pytest.mark.parametrize(
    ("arguments", "what", "remedy"),
    [
        ([], "Missing command.", "tare --help"),
        (["weigh"], "No such command 'weigh'.", "tare --help"),
        (["plan"], "Missing argument 'FILE'.", "tare plan --help"),
        (["plan", "a", "b"], "Got unexpected extra argument (b)", "tare plan --help"),
        (["show", "--frobnicate"], "No such option '--frobnicate'.", "tare show --help"),
        (["run", "--seed", "x"], "Invalid value for '--seed': 'x' is not a valid integer.", "tare run --help"),
        (["run"], "Name an experiment, such as benches/quickstart.toml, or --resume a campaign.", "tare run --help"),
        (["run", "x", "--resume", "y"], RESUME_ALONE, "tare run --help"),
        (["quick", "nginx"], "Missing option '--port'.", "tare quick --help"),
        (["plan", "nothing.toml"], "There is no file nothing.toml.", NAME_AN_EXPERIMENT),
        (["plan", "/"], "/ is a folder.", NAME_AN_EXPERIMENT),
        (["show"], "There is no campaign in results.", "Run one: tare run benches/quickstart.toml"),
        (["show", "/"], NO_CAMPAIGN.format("/"), NAME_ONE),
        (["show", __file__], NO_CAMPAIGN.format(__file__), NAME_ONE),
        (["report", "/"], NO_CAMPAIGN.format("/"), NAME_ONE),
        (["compare", "/", "/"], NO_CAMPAIGN.format("/"), NAME_ONE),
        (["compare", "/"], "Missing argument 'DIR_B'.", "tare compare --help"),
        (["compare", "/", "/", "--fail-on", "slow"], "--fail-on 'slow' is not a rule.", None),
        (["run", "--resume", "/"], NO_CAMPAIGN.format("/"), NAME_ONE),
    ],
)  # fmt: skip
def test_a_wrong_request_is_two_lines_and_exit_code_2(
    host: FakeHost, capsys: pytest.CaptureFixture[str], arguments: list[str], what: str, remedy: str | None
) -> None:
    assert host.folder == Path.cwd()
    assert run_command(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    said, advice = two_lines(told.err)
    assert said == what
    assert advice == remedy or (remedy is None and advice)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpecError, 2),
        (Unavailable, 3),
        (BuildError, 1),
        (DeployError, 1),
        (NotReady, 1),
        (LoadError, 1),
        (StoreError, 1),
    ],
)
def test_each_kind_of_failure_has_its_exit_code_and_its_logs_come_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: type[TareError], code: int
) -> None:
    def fail(_path: object) -> None:
        failure = error("The engine said:\n  no such thing\n", "Look\nat it.")
        failure.add_note("its last line\n")
        raise failure

    monkeypatch.setattr(show, "load", fail)
    assert run_command(["show", "x"]) == code
    assert capsys.readouterr().err.splitlines() == [
        "its last line", "Error: The engine said: no such thing", "Try: Look at it.",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [Interrupted, KeyboardInterrupt])
def test_an_interruption_is_130_whenever_it_comes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: type[BaseException]
) -> None:
    def interrupt(_path: object) -> None:
        raise kind

    monkeypatch.setattr(show, "load", interrupt)
    assert run_command(["show", "x"]) == 130
    assert capsys.readouterr().err.strip() == "Interrupted. What was measured is kept."
