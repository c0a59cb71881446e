"""The simulation beside a campaign: when it is made, kept, made again, and what is said where it cannot be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.cli import simulation
from harness.cli.simulation import simulate_beside
from harness.errors import Unavailable
from harness.records.cache import CacheRecord, Simulated, SimulatedRatio
from harness.simulation.catalogue import Catalogue
from harness.spec.experiment import Experiment
from harness.spec.sequence import CatalogueSpec
from harness.store.folder import CampaignFolder
from tests.unit.analysis.synthetic_cdn import make_cdn
from tests.unit.analysis.synthetic_policies import make_policies

CATALOGUE = Catalogue.of(CatalogueSpec(objects=10))
FEW: dict[str, Any] = {"proxies": (("varnish-lru", "varnish", "lru"),), "hit_ratios": {"varnish-lru": 0.4}, "blocks": 1}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    """Instead of simulating: the sizes of the caches that were to be."""
    found: list[set[int]] = []

    def simulate(_: Experiment, catalogue: Catalogue, caches: Iterable[CacheRecord]) -> Simulated:
        assert catalogue is CATALOGUE
        sizes = {cache.size_bytes for cache in caches}
        found.append(sizes)
        ratios = (
            SimulatedRatio(policy="LRU", sequence="steady", effective_bytes=size, by_requests=0.5, by_bytes=0.5)
            for size in sizes
        )
        return Simulated(ratios=tuple(ratios))

    monkeypatch.setattr(simulation, "simulate_experiment", simulate)
    return found


def beside(folder: CampaignFolder, catalogue: Catalogue | None = CATALOGUE) -> None:
    simulate_beside(Console(), folder.experiment(), catalogue, folder)


def test_it_is_made_once_and_again_for_sizes_that_it_lacks(tmp_path: Path, asked: list[set[int]]) -> None:
    folder = make_policies(tmp_path / "c", simulated={}, **FEW).folder
    beside(folder)
    beside(folder)
    assert asked == [{1_000_000, 10_000_000}]
    kept = folder.simulated()
    assert kept is not None
    folder.write_simulated(replace(kept, ratios=kept.ratios[:1]))
    beside(folder)
    assert len(asked) == 2


def test_what_could_not_be_simulated_is_tried_again(
    tmp_path: Path, asked: list[set[int]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_policies(tmp_path / "c", simulated={}, **FEW).folder
    with monkeypatch.context() as patched:

        def refuse(*_: object) -> Simulated:
            raise Unavailable("simulating needs [it]", "pip install it")

        patched.setattr(simulation, "simulate_experiment", refuse)
        beside(folder)
    shown = capsys.readouterr().out
    assert "not simulated: simulating needs [it]" in shown
    assert "to fix it: pip install it" in shown
    assert folder.simulated() == Simulated(why_not="simulating needs [it]", remedy="pip install it")
    beside(folder)
    assert len(asked) == 1


def test_only_replays_through_one_cache_are_simulated(tmp_path: Path, asked: list[set[int]]) -> None:
    beside(make_cdn(tmp_path / "cdn", blocks=1).folder)
    beside(make_policies(tmp_path / "no-catalogue", simulated={}, **FEW).folder, catalogue=None)
    assert asked == []
