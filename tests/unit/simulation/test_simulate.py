"""The processes around the simulator: their results, their failures, and that none is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import psutil
import pytest

from harness.errors import Unavailable
from harness.simulation import simulate as simulating
from harness.simulation.policies import chosen
from harness.simulation.records import records
from harness.simulation.simulate import REQUIREMENT, MissRatio, SimulationFailure, require_library, simulate
from harness.simulation.spool import Spool, make_spool
from tests.support import fake_libcachesim
from tests.support.until import until


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    shutil.copy(fake_libcachesim.SOURCE, folder / "libcachesim.py")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(str(folder))


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    block = records(10)
    block["id"], block["size"] = range(10), 5
    folder = tmp_path / "spool"
    folder.mkdir()
    return make_spool([block], folder, name="it")


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulating, "LIBRARY", "no_such_library")
    with pytest.raises(Unavailable, match="needs libCacheSim") as raised:
        require_library()
    assert f"pip install '{REQUIREMENT}'" in raised.value.remedy
    assert "GPL-3.0-or-later" in raised.value.remedy


def test_what_it_says_to_install_is_the_extra() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    assert REQUIREMENT in project["optional-dependencies"]["cache"]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("jobs", [1, 3])
def test_results_come_in_the_order_that_was_asked_for(spool: Spool, jobs: int) -> None:
    told: list[tuple[int, int]] = []
    found = simulate(
        spool, chosen("LRU,FIFO"), [10, 20], jobs=jobs, progress=lambda _what, done, total: told.append((done, total))
    )
    assert found == (
        MissRatio("LRU", 10, 0.5, 0.01),
        MissRatio("LRU", 20, 0.5, 0.02),
        MissRatio("FIFO", 10, 0.75, 0.01),
        MissRatio("FIFO", 20, 0.75, 0.02),
    )
    assert told[-1] == (4, 4)


@pytest.mark.usefixtures("library")
def test_a_simulation_that_fails_disturbs_no_other(spool: Spool) -> None:
    aborted, lost, good = simulate(spool, chosen("LFU,GDSF,LRU"), [10], jobs=2)
    assert aborted == SimulationFailure("LFU", 10, "it ended by SIGABRT", "assertion failed: no such object")
    assert lost == SimulationFailure("GDSF", 10, "it saw 9 of 10 requests", "GDSF was here")
    assert good == MissRatio("LRU", 10, 0.5, 0.01)


@pytest.mark.usefixtures("library")
def test_a_simulation_that_does_not_end_is_ended(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulating, "LIMIT_S", 5.0)
    never, good = simulate(spool, chosen("ARC,LRU"), [10], jobs=2)
    assert never == SimulationFailure("ARC", 10, "it did not end within 5 s", "")
    assert isinstance(good, MissRatio)
    assert not psutil.pid_exists(int((spool.folder / "arc.pid").read_text("ascii")))


@pytest.mark.usefixtures("library")
def test_an_interruption_leaves_no_process(spool: Spool) -> None:
    pid = spool.folder / "arc.pid"

    def interrupt() -> None:
        until(lambda: pid.exists() and pid.read_text("ascii"), 50)
        os.kill(os.getpid(), signal.SIGINT)

    # Whatever the runner of the tests does with the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            simulate(spool, chosen("ARC"), [10], jobs=1)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not psutil.pid_exists(int(pid.read_text("ascii")))


PARENT = """
import sys
from pathlib import Path
from harness.simulation.policies import chosen
from harness.simulation.simulate import simulate
from harness.simulation.spool import Spool
simulate(Spool(Path(sys.argv[1]), 10, 0, 10, 50, 5, 5), chosen("ARC"), [10], jobs=1)
"""


@pytest.mark.usefixtures("library")
def test_a_worker_dies_with_the_process_that_waits_for_it(spool: Spool) -> None:
    root = str(Path(__file__).parents[3])
    path = os.pathsep.join([root, os.environ["PYTHONPATH"]])
    pid = spool.folder / "arc.pid"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(spool.folder)], env=os.environ | {"PYTHONPATH": path}
    ) as parent:
        until(lambda: pid.exists() and pid.read_text("ascii"), 50)
        parent.kill()
    until(lambda: not psutil.pid_exists(int(pid.read_text("ascii"))), 50)
