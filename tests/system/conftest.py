"""Which of the tests on real engines run, and which of them may run at once.

The folders are the rooms that their tests hold to account. ``core`` is what ``make test`` runs, ``alone`` what looks at
the whole host. ``--targets`` and ``--proxies`` leave the contract suites those of the registries alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from harness.proxies.registry import PROXIES
from harness.targets.registry import TARGETS
from tests.support import shop
from tests.support.targets_suite import FAKE, GUESTS

ONE_AT_A_TIME = (*GUESTS, "swarm")
"""What two workers never deploy at once: emulated guests fill a CPU each, and the engine is in one swarm at a time."""

CHOICES: dict[str, tuple[str, ...]] = {"targets": (*TARGETS, FAKE), "proxies": tuple(PROXIES)}
_DEPLOYMENTS = frozenset((*CHOICES["targets"], *CHOICES["proxies"], *shop.TOPOLOGIES))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tare")
    for what in CHOICES:
        group.addoption(f"--{what}", metavar="NAME,NAME", default="", help=f"the contract suites of these {what} alone")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not chosen, and give all tests of one deployment to one worker, which makes it once."""
    chosen = {what: _chosen(config, what) for what in CHOICES}
    left_out = [item for item in items if not _is_chosen(set(_words(item)), chosen)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_group(item)))


def _chosen(config: pytest.Config, what: str) -> frozenset[str]:
    known = CHOICES[what]
    wanted = frozenset(filter(None, str(config.getoption(what)).split(",")))
    if unknown := wanted.difference(known):
        raise pytest.UsageError(f"--{what}: {', '.join(sorted(unknown))}: not among {', '.join(known)}")
    return wanted or frozenset(known)


def _is_chosen(words: set[str], chosen: Mapping[str, frozenset[str]]) -> bool:
    return all(words.intersection(CHOICES[what]) <= names for what, names in chosen.items())


def _group(item: pytest.Item) -> str:
    words = [word for word in _words(item) if word in _DEPLOYMENTS]
    return next((word for word in words if word in ONE_AT_A_TIME), "-".join((item.path.stem, *words)))


def _words(item: pytest.Item) -> Iterator[str]:
    """The names among what the test is parametrised with."""
    found = getattr(item, "callspec", None)
    for value in found.params.values() if found else ():
        yield from (word for word in (value if isinstance(value, tuple) else (value,)) if isinstance(word, str))
