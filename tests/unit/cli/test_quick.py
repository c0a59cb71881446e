"""``tare quick``: an image compared without a file, over fakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import sources
from harness.analysis import load
from harness.artifacts.api import Artifact, ImageConfig
from harness.cli import run
from harness.cli.main import run_command
from harness.spec.files import experiment_of
from tests.support.fake_campaign import DIGEST
from tests.support.fake_host import FakeHost
from tests.support.fakes import FakeTarget

OUT = Path("out")


def test_quick_compares_an_image_without_a_file(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def from_image(name: str, service: object) -> Artifact:
        assert (name, str(service).count("port=8123")) == ("registry.example/shop:1.2", 1)
        return Artifact("shop", DIGEST, host.folder, ImageConfig(argv=("true",)), f"image {name}")

    host.facts = replace(host.facts, root=True)
    monkeypatch.setattr(sources, "build_from_image", from_image)
    monkeypatch.setattr(run, "experiment_of", shortened(experiment_of))
    words = ["quick", "registry.example/shop:1.2", "--port", "8123", "--path", "/health", "--targets", "fake, other"]
    assert run_command([*words, "--repeats", "2", "--memory-mib", "256", "--out", "out"]) == 0
    assert "Report:   out/report.html" in capsys.readouterr().out
    found = load(OUT)
    assert found.experiment.question == "What does it cost to run registry.example/shop:1.2 as fake and other?"
    assert (found.experiment.baseline, found.experiment.matrix.aa, found.experiment.repeats) == ("fake", "fake", 2)
    assert found.experiment.limits.memory_mib == 256
    assert {record.variant.name for record in found.counted_records} == {"fake", "fake-aa", "other"}
    assert {plan.tasks.path for plan in host.instruments.plans} == {"/health"}


def shortened(make: Callable[..., object]) -> Callable[..., object]:
    """The same experiment, without the waiting."""

    def quickly(where: str, data: dict[str, object]) -> object:
        load_table = {"capacity_shares": [0.5], "warmup_s": 0, "duration_s": 0.01, "capacity_s": 0.01}
        return make(where, {**data, "load": load_table, "settle_s": 0})

    return quickly


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--port", "0"], "service.port"),
        (["--port", "80", "--path", "index"], "service.ready.path"),
        (["--port", "80", "--targets", ","], "--targets names no target."),
        (["--port", "80", "--targets", "lambda"], "There is no target 'lambda'."),
        (["--port", "80", "--targets", "fake,fake"], "a target is named twice"),
        (["--port", "80", "--repeats", "0"], "repeats"),
        (["--port", "80", "--memory-mib", "1"], "limits.memory_mib"),
    ],
)
def test_quick_with_a_wrong_option(
    host: FakeHost, capsys: pytest.CaptureFixture[str], options: list[str], what: str
) -> None:
    assert run_command(["quick", "nginx", *options]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert what in first
    assert second.startswith("Try: ")
    assert host.instruments.labs == []
    assert FakeTarget.name == "fake"
