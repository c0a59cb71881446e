"""Filling caches before the load."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest

from harness.errors import LoadError
from harness.load.worker.object_sequence import ObjectRef, ObjectStream
from harness.load.worker.prefill import fill

OBJECTS = [ObjectRef(number, 10) for number in range(20)]


def test_every_region_asks_for_everything_in_order_with_its_own_users() -> None:
    asked: dict[int, list[int]] = {0: [], 2: []}
    clients: list[int] = []

    def asking(region: int, objects: ObjectStream) -> Callable[[], object]:
        clients.append(region)

        def ask() -> None:
            asked[region].append(objects.take().number)
            gevent.sleep(0)

        return ask

    fill(OBJECTS, [0, 2], 3, asking)
    assert asked == {0: list(range(20)), 2: list(range(20))}
    assert clients == [0, 0, 0, 2, 2, 2]


@pytest.mark.parametrize(
    ("raised", "told"),
    [(LoadError("no answer", "look"), "no answer"), (KeyError("x"), r"a task raised KeyError\('x'\)")],
)
def test_the_first_failure_ends_it(raised: Exception, told: str) -> None:
    asked: list[int] = []

    def asking(_region: int, objects: ObjectStream) -> Callable[[], object]:
        def ask() -> None:
            asked.append(objects.take().number)
            gevent.sleep(0)
            if asked[-1] >= 4:
                raise raised

        return ask

    with pytest.raises(LoadError, match=told):
        fill(OBJECTS, [0], 2, asking)
    assert len(asked) < 10
