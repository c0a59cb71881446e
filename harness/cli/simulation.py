"""The simulation that belongs to a campaign: what policies would have kept of the requests that were replayed."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from harness.errors import Unavailable
from harness.records.cache import CacheRecord, Simulated
from harness.simulation.catalogue import Catalogue
from harness.simulation.experiment import simulate_experiment
from harness.spec.experiment import Experiment
from harness.store.folder import CampaignFolder


def simulate_beside(
    console: Console, experiment: Experiment, catalogue: Catalogue | None, folder: CampaignFolder
) -> None:
    """Keep what policies keep of the replayed sequences in the campaign's folder, unless it is there already.

    Only of replays through one cache: what several of them are asked for is no one's sequence. Without libCacheSim the
    folder says so, and how to get it. Raises SpecError or StoreError as harness.simulation.experiment does.
    """
    caches = _caches(folder)
    if experiment.load.replay is None or experiment.geography is not None or catalogue is None or not caches:
        return
    before = folder.simulated()
    if before is not None and not before.why_not and _holds(before, caches):
        return
    console.print("simulating the policies on the replayed sequences …")
    try:
        found = simulate_experiment(experiment, catalogue, caches)
    except Unavailable as missing:
        console.print(f"[yellow]not simulated:[/yellow] {escape(missing.what)}", soft_wrap=True)
        console.print(f"  to fix it: {escape(missing.remedy)}", soft_wrap=True)
        found = Simulated(why_not=missing.what, remedy=missing.remedy)
    folder.write_simulated(found)


def _caches(folder: CampaignFolder) -> list[CacheRecord]:
    return [cache for record in folder.trials() if record.outcome == "ok" for cache in record.caches]


def _holds(simulated: Simulated, caches: list[CacheRecord]) -> bool:
    """Whether every size that was measured is there; a campaign that was resumed may have more."""
    sizes = {ratio.effective_bytes for ratio in simulated.ratios if not ratio.matched}
    return {cache.size_bytes for cache in caches} <= sizes
