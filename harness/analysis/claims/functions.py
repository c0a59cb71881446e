"""What sets are compared by: the functions of the application, while something happens to one of its services."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.analysis.claims.base import Verdict
from harness.analysis.formatting import sentence
from harness.analysis.selection import select
from harness.spec.event import EventSpec
from harness.spec.route import is_below

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign
    from harness.records.variant import Variant

_RANKS = ("refuted", "not resolved", "not measured", "supported")
_WORDS = re.compile(r"[a-z]{3,}")


def route_of(task: str, prefixes: Iterable[str]) -> str | None:
    """The path prefix that a task asks for, by its name; None if the name does not tell.

    A name that holds a path (``GET /catalog/items``) is below its prefix. Otherwise a word of the name must begin the
    last part of the prefix or be begun by it, from three letters on: ``pay`` and ``payments_list`` are ``/payments``.
    """
    name = task.partition("#")[0].lower()
    found = []
    for prefix in prefixes:
        part = prefix.rstrip("/").rpartition("/")[2].lower()
        if "/" in name:
            if is_below(name[name.index("/") :], prefix):
                found.append(prefix)
        elif len(part) >= 3 and any(part.startswith(word) or word.startswith(part) for word in _WORDS.findall(name)):
            found.append(prefix)
    return max(found, key=len, default=None)


def is_split(campaign: Campaign, topology: str) -> bool:
    """Whether clients reach several services of it."""
    return len(set(campaign.manifest.routes.get(topology, {}).values())) > 1


def is_whole(campaign: Campaign, topology: str) -> bool:
    """Whether one service answers every path: a monolith, beside sets."""
    return len(set(campaign.manifest.routes.get(topology, {}).values())) == 1


def has_set(campaign: Campaign) -> bool:
    """Whether the experiment compares topologies of the workload's own; known before anything was deployed."""
    return any(variant.topology != "single" for variant in campaign.experiment.variants)


def has_event(campaign: Campaign, *kinds: str) -> bool:
    """Whether the experiment asks for an event of one of these kinds."""
    return any(event.kind in kinds for event in campaign.experiment.events)


def spec_of(campaign: Campaign, variant: Variant, number: int) -> EventSpec | None:
    """What the experiment asked for as that variant's ``number``-th event, from 1."""
    planned = next((entry for entry in campaign.experiment.variants if entry.name == variant.name), None)
    if planned is None:
        return None
    found = campaign.experiment.events_of(planned)
    return found[number - 1] if number <= len(found) else None


@dataclass(frozen=True, slots=True)
class Pair:
    """One event, in a set (``split``) and in the monolith (``whole``, None if there is none) of the same combination.

    ``others``: the tasks that ask for another function than the one whose service it happened to in the set.
    """

    campaign: Campaign
    split: Variant
    whole: Variant | None
    number: int
    service: str
    own: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def emulated(self) -> bool:
        names = [variant.name for variant in (self.split, self.whole) if variant is not None]
        return any(self.campaign.is_emulated(name) for name in names)

    def said(self, verdict: Verdict) -> str:
        """The verdict for a sentence: that of an emulated combination does not decide where there is another."""
        return f"{verdict} (emulated)" if self.emulated else verdict

    def failed(self, variant: Variant, tasks: Sequence[str], *moments: str) -> tuple[NDArray[np.float64], ...]:
        """Failed requests and all requests of these tasks in these moments, per block."""
        frame = self.campaign.event_requests
        mine = frame[
            (frame["variant"] == variant.name)
            & (frame["number"] == self.number)
            & frame["task"].isin(tasks)
            & frame["moment"].isin(moments)
        ]
        blocks = mine["trial"].map(self.campaign.counted.set_index("trial")["block"].groupby(level=0).last())
        sums = mine.groupby(blocks)[["failed", "requests"]].sum().reindex(self._blocks(), fill_value=0)
        return sums["failed"].to_numpy(dtype=np.float64), sums["requests"].to_numpy(dtype=np.float64)

    def _blocks(self) -> list[int]:
        """The blocks in which every side of the pair had the event."""
        counted, frame = self.campaign.counted, self.campaign.events
        found = []
        for variant in (self.split, self.whole):
            if variant is not None:
                trials = select(frame, variant=variant.name, number=self.number)["trial"]
                found.append(set(counted[counted["trial"].isin(trials)]["block"]))
        return sorted(set.intersection(*found))


def pairs(campaign: Campaign, kind: str) -> Iterator[Pair]:
    """Every event of that kind that happened to a service of a set which clients reach, where the tasks' names tell.

    Only with one replica of each service: of several, losing one is not losing the service.
    """
    for split in campaign.manifest.variants:
        if split.aa or split.replicas > 1 or not is_split(campaign, split.topology):
            continue
        whole = next((v for v in campaign.manifest.variants if _is_whole_of(campaign, v, split)), None)
        prefixes = campaign.manifest.routes[split.topology]
        mine = select(campaign.events, variant=split.name, kind=kind)
        for (number, service), _ in mine.groupby(["number", "service"], sort=True):
            own, others = _told_apart(campaign, split, int(str(number)), str(service), prefixes)
            if own and others:
                yield Pair(campaign, split, whole, int(str(number)), str(service), own, others)


def combined(verdicts: Sequence[Verdict]) -> Verdict:
    """Of several combinations: one that refutes is enough, and all must support."""
    if "refuted" in verdicts:
        return "refuted"
    return "not resolved" if "not resolved" in verdicts else "supported"


def brief(said: Sequence[tuple[str, str]], shown: int = 2) -> str:
    """Evidence from several combinations, each a (verdict, text): the first of the worst, and how the others were.

    All of them stand in the claim's figures.
    """
    worst_first = sorted(said, key=lambda entry: _RANKS.index(entry[0]) if entry[0] in _RANKS else len(_RANKS))
    parts = [text for _, text in worst_first[:shown]]
    rest = [verdict for verdict, _ in worst_first[shown:]]
    if rest:
        counts = ", ".join(f"{rest.count(verdict)} {verdict or 'told'}" for verdict in dict.fromkeys(rest))
        parts.append(f"of the other combinations: {counts}")
    return sentence(parts)


def _is_whole_of(campaign: Campaign, whole: Variant, split: Variant) -> bool:
    def alike(variant: Variant) -> tuple[object, ...]:
        return variant.workload, variant.target, variant.proxy, variant.replicas, variant.aa

    return alike(whole) == alike(split) and is_whole(campaign, whole.topology)


def _told_apart(
    campaign: Campaign, split: Variant, number: int, service: str, prefixes: dict[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    frame = campaign.event_requests
    tasks = sorted(set(select(frame, variant=split.name, number=number)["task"]))
    routes = {task: route_of(task, prefixes) for task in tasks}
    own = tuple(task for task, route in routes.items() if route is not None and prefixes[route] == service)
    others = tuple(task for task, route in routes.items() if route is not None and prefixes[route] != service)
    return own, others
