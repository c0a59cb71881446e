"""Fills caches before the load: the same requests in order, of every entry that clients are sent to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import gevent

from harness.errors import LoadError
from harness.load.plan.targets import RegionPlan
from harness.load.worker.object_sequence import ObjectRef, ObjectStream
from harness.spec.route import Route

_REMEDY = "look at the log lines of the cache and of the service behind it"


def homes(regions: Sequence[RegionPlan]) -> list[int]:
    """The numbers of the regions from which each nearest entry is filled: one for each, of its own region if it can be.

    Without regions 0 alone.
    """
    found: dict[tuple[Route, ...], int] = {}
    for number, region in sorted(enumerate(regions), key=lambda each: not each[1].home):
        found.setdefault(region.entries[0], number)
    return sorted(found.values()) or [0]


def fill(
    refs: Sequence[ObjectRef],
    regions: Sequence[int],
    users: int,
    asking: Callable[[int, ObjectStream], Callable[[], object]],
) -> None:
    """Ask for all ``refs`` from each of ``regions``, with ``users`` connections in each, side by side.

    ``asking(region, objects)`` gives what a client of that region calls to ask for the next of ``objects``, with a
    session that lets no failure pass. Raises LoadError for the first failure.
    """
    failures: list[LoadError] = []

    def work(ask: Callable[[], object], turns: Iterator[int]) -> None:
        while not failures and next(turns, None) is not None:
            try:
                ask()
            except LoadError as error:
                failures.append(error)
            except Exception as error:  # noqa: BLE001 (task code is the user's: whatever it raises ends the run in order)
                failures.append(LoadError(f"before the load: a task raised {error!r}", _REMEDY))

    greenlets: list[gevent.Greenlet] = []
    for region in regions:
        objects, turns = ObjectStream(iter(refs)), iter(range(len(refs)))
        greenlets += [gevent.spawn(work, asking(region, objects), turns) for _ in range(users)]
    gevent.joinall(greenlets)
    if failures:
        raise failures[0]
