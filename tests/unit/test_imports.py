"""The house: who may import whom. Imports go up the table, never down, so nothing here is circular."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

GROUND = {"harness.errors", "harness.units", "harness.clock"}
"""What every room stands on, and what imports nothing of ours."""

FLOOR = GROUND | {"harness.records"}
"""What every room above may import: records are plain data, which what measures returns and who analyses reads."""

HOUSE: dict[str, set[str]] = {
    "harness.errors": set(),
    "harness.units": set(),
    "harness.clock": set(),
    "harness.records": set(),
    "harness.spec": set(),
    "harness.host": set(),
    # Where the lock's file is.
    "harness.runtime": {"harness.host"},
    "harness.store": {"harness.spec", "harness.runtime"},
    # A catalogue's sizes are those of the sequences that ask for them.
    "harness.artifacts": {"harness.spec", "harness.host", "harness.simulation.sequences"},
    # A geography is plain data.
    "harness.lab": {"harness.host", "harness.runtime", "harness.spec.geography"},
    "harness.proxies": {"harness.spec", "harness.host", "harness.artifacts"},
    "harness.targets": {"harness.spec", "harness.host", "harness.runtime", "harness.artifacts", "harness.lab"},
    "harness.probes": {"harness.spec", "harness.host", "harness.runtime", "harness.targets.api"},
    "harness.load": {"harness", "harness.runtime", "harness.spec", "harness.simulation"},
    # Samples to figures, on any machine: no engine, no target, no root.
    "harness.analysis": {"harness.spec", "harness.store"},
    # What was found, for a script and for a person.
    "harness.output": {"harness.analysis", "harness.spec", "harness.store"},
    # Traces and simulated caches: plain data and child processes, no engine, no root.
    "harness.simulation": {"harness", "harness.runtime", "harness.spec"},
    # What can be is said by proxies and targets themselves.
    "harness.planning": {"harness.spec", "harness.simulation", "harness.proxies", "harness.targets.registry"},
    # Where deploying, measuring and loading meet. The verdict on a trial is recorded with it; it is pure, and analysis
    # must be able to give it again.
    "harness.trial": {
        "harness.spec", "harness.host", "harness.runtime", "harness.store", "harness.artifacts", "harness.lab",
        "harness.proxies", "harness.targets", "harness.probes", "harness.load", "harness.simulation",
        "harness.planning", "harness.analysis.validity",
    },
    "harness.campaign": {
        "harness", "harness.spec", "harness.host", "harness.runtime", "harness.store", "harness.artifacts",
        "harness.lab", "harness.proxies", "harness.targets", "harness.load", "harness.simulation", "harness.planning",
        "harness.trial",
    },
    "reports": {"harness", "harness.spec", "harness.store", "harness.analysis", "harness.simulation"},
    "harness.cli": {
        "harness", "harness.spec", "harness.host", "harness.runtime", "harness.store", "harness.artifacts",
        "harness.targets", "harness.analysis", "harness.output", "harness.simulation", "harness.planning",
        "harness.trial", "harness.campaign", "reports",
    },
    # A workload runs inside Locust and knows nothing of Tare but its base class.
    "workloads": {"harness.load"},
}  # fmt: skip

LIBRARIES: dict[str, set[str]] = {
    "docker": {"harness.host", "harness.artifacts", "harness.lab", "harness.targets"},
    "libvirt": {"harness.host", "harness.targets"},
    "libvirt_qemu": {"harness.targets"},
    "pyroute2": {"harness.lab"},
    "locust": {"harness.load", "workloads"},
    "gevent": {"harness.load"},
    "cryptography": {"harness.proxies", "workloads"},
    "click": {"harness.cli"},
    "rich": {"harness.cli", "harness.output"},
    "plotly": {"reports"},
    "jinja2": {"harness.proxies", "reports"},
    "scipy": {"harness.analysis"},
    "libcachesim": {"harness.simulation"},
    "pytest": set(),
}
"""Who may import a library that is heavy, changes the process (gevent) or talks to an engine."""


def room_of(module: str) -> str:
    """The room that a module of ours stands in: ``harness.host.facts`` in ``harness.host``."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "harness" else parts[0]


@cache
def imports() -> tuple[tuple[str, str], ...]:
    """(module, what it imports) for every import in ``harness``, ``reports`` and ``workloads``, wherever it stands."""
    found = []
    for package in ("harness", "reports", "workloads"):
        for file in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found += [(module, name) for name in _imported(file)]
    return tuple(found)


@cache
def graph() -> dict[str, frozenset[str]]:
    """What each module of ours imports of ours: inside functions and for annotations alone as well."""
    found = {}
    for package in ("harness", "reports", "workloads"):
        for file in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found[module] = frozenset(_imported(file)) - {module}
    return {module: names & found.keys() for module, names in found.items()}


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute here"
            assert node.module is not None
            is_room = node.module == "harness"
            for alias in node.names:
                name = f"harness.{alias.name}" if is_room and alias.name != "__version__" else node.module
                # `from package import module` names the module.
                below = ROOT / (node.module.replace(".", "/")) / f"{alias.name}.py"
                yield f"{node.module}.{alias.name}" if below.exists() else name


def _ours() -> list[tuple[str, str]]:
    return [(module, name) for module, name in imports() if name.split(".")[0] in ("harness", "reports", "workloads")]


def _allowed(module: str, name: str) -> bool:
    room = room_of(module)
    if room == room_of(name):
        return True
    doors = HOUSE.get(room, set()) | (set() if room in GROUND else GROUND if room in FLOOR else FLOOR)
    return any(name == door or (door != "harness" and name.startswith(f"{door}.")) for door in doors)


def test_every_room_is_in_the_table() -> None:
    rooms = {room_of(module) for module, _ in imports()} - {"harness"}
    on_disk = {f"harness.{path.stem}" for path in (ROOT / "harness").iterdir() if (path / "__init__.py").exists()}
    on_disk |= {f"harness.{path.stem}" for path in (ROOT / "harness").glob("*.py")} - {"harness.__init__"}
    assert rooms | on_disk | {"reports", "workloads"} == set(HOUSE)


def test_the_table_has_no_circle() -> None:
    order = TopologicalSorter({room: {room_of(door) for door in doors} for room, doors in HOUSE.items()})
    assert len(list(order.static_order())) >= len(HOUSE)


def test_no_module_needs_itself() -> None:
    try:
        list(TopologicalSorter(graph()).static_order())
    except CycleError as error:
        pytest.fail(f"a circle: {' ▸ '.join(reversed(error.args[1]))}")


def test_imports_go_up_the_table() -> None:
    broken = sorted({f"{module} imports {name}" for module, name in _ours() if not _allowed(module, name)})
    assert broken == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_stays_in_its_rooms(library: str) -> None:
    users = {module for module, name in imports() if name.split(".")[0] == library}
    strangers = sorted(module for module in users if room_of(module) not in LIBRARIES[library])
    assert strangers == []


def test_nothing_imports_the_tests() -> None:
    assert [pair for pair in imports() if pair[1].split(".")[0] in ("tests", "benches")] == []


@pytest.mark.parametrize(
    ("module", "name", "allowed"),
    [
        ("harness.targets.vm.target", "harness.lab.api", True),
        ("harness.lab.bridged", "harness.targets.api", False),
        ("harness.probes.memory", "harness.targets.api", True),
        ("harness.probes.memory", "harness.targets.vm.target", False),
        ("harness.trial.run", "harness.analysis.validity", True),
        ("harness.trial.run", "harness.analysis.intervals", False),
        ("harness.no_such_room", "harness.planning.plan", False),
        ("harness.analysis.frames", "harness.targets.api", False),
        ("harness.clock", "harness.units", False),
        ("harness.records.trial", "harness.units", True),
        ("harness.records.trial", "harness.spec.matrix", False),
        ("harness.lab.round_trips", "harness.records.network", True),
        ("harness.load.worker.engine", "harness.store.folder", False),
        ("harness.simulation.curves", "harness.host.facts", False),
    ],
)
def test_the_rule_itself(module: str, name: str, allowed: bool) -> None:
    assert _allowed(module, name) is allowed
