"""The spawner and its service as real processes, without root: birth, end, and nothing that outlives them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.clock import now_ns
from harness.errors import DeployError
from harness.targets.process.spawning import Spawner, command, parent, session, session_has_ended
from tests.support.until import until

CPU = max(os.sched_getaffinity(0))
LIMIT_S = 10
SERVE = "import sys, time; print('serving', sys.argv, flush=True); time.sleep(60)"


@pytest.fixture
def spawner(tmp_path: Path) -> Iterator[Callable[..., Spawner]]:
    """Makes spawners of a Python program, with changes to its order; all are closed at the end."""
    made: list[Spawner] = []

    def make(program: str, **changes: Any) -> Spawner:
        order = {
            "argv": [sys.executable, "-c", program],
            "env": {"GREETING": "hello"},
            "workdir": str(tmp_path),
            "user": None,
            "root": None,
            "netns": None,
            "procs_files": [],
            "cpuset": [CPU],
            "log": str(tmp_path / "service.log"),
        }
        made.append(Spawner(order | changes))
        return made[-1]

    yield make
    for each in made:
        each.close()


def log_of(spawner: Spawner, holding: str = "\n") -> str:
    return until(lambda: text if holding in (text := Path(spawner.order["log"]).read_text()) else "")


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_service_is_born_as_ordered(spawner: Callable[..., Spawner], tmp_path: Path) -> None:
    told = "os.getcwd(), os.environ['GREETING'], os.sched_getaffinity(0), os.getsid(0) == os.getpid()"
    one = spawner(f"import os, time; print({told}, flush=True); time.sleep(60)")
    before_ns = now_ns()
    pid, at_ns = one.start()
    assert before_ns < at_ns < now_ns()
    assert log_of(one) == f"{tmp_path} hello {{{CPU}}} True\n"
    assert session(pid) == [pid]


def test_nothing_but_the_service_is_left_of_the_birth(spawner: Callable[..., Spawner]) -> None:
    """The porter has ended when the pid is told, and the service is the spawner's child."""
    one = spawner(SERVE)
    pid, _ = one.start()
    assert children(parent(pid)) == [pid]
    assert command(parent(pid)).startswith("python")
    assert parent(parent(pid)) == os.getpid()


def test_a_service_s_orphans_are_not_the_spawner_s(spawner: Callable[..., Spawner]) -> None:
    fork_twice = "if not os.fork() and not os.fork(): print(os.getpid(), flush=True)"
    one = spawner(f"import os, time\n{fork_twice}\ntime.sleep(60)")
    pid, _ = one.start()
    orphan = int(log_of(one))
    middle = next(each for each in session(pid) if each not in (pid, orphan))
    os.kill(middle, signal.SIGKILL)
    until(lambda: parent(orphan) != middle)
    assert parent(orphan) != parent(pid)


@pytest.mark.parametrize(("program", "code"), [("raise SystemExit(3)", 3), ("import os; os.abort()", -signal.SIGABRT)])
def test_the_end_is_told(spawner: Callable[..., Spawner], program: str, code: int) -> None:
    one = spawner(program)
    pid, _ = one.start()
    assert until(lambda: one.ended() is not None)
    assert one.ended() == code
    assert session(pid) == []


def test_a_running_service_has_not_ended(spawner: Callable[..., Spawner]) -> None:
    one = spawner(SERVE)
    one.start()
    log_of(one)
    assert one.ended() is None


def test_a_program_that_does_not_exist_ends_at_once_and_the_log_says_so(spawner: Callable[..., Spawner]) -> None:
    one = spawner("", argv=["/no/such/program"])
    one.start()
    assert "cannot start '/no/such/program'" in log_of(one)
    assert until(one.ended) == 127


@pytest.mark.parametrize("changes", [{"procs_files": ["/no/such/group"]}, {"netns": "/no/such/namespace"}])
def test_a_place_that_cannot_be_joined_is_an_error_with_the_reason(
    spawner: Callable[..., Spawner], changes: dict[str, Any]
) -> None:
    with pytest.raises(DeployError, match="did not get ready") as caught:
        spawner(SERVE, **changes)
    assert "/no/such/" in "".join(caught.value.notes)


def test_closing_takes_the_whole_session_and_twice_is_once(spawner: Callable[..., Spawner]) -> None:
    program = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {SERVE!r}])\n{SERVE}"
    one = spawner(program)
    pid, _ = one.start()
    until(lambda: Path(one.order["log"]).read_text().count("serving") == 2)
    assert len(session(pid)) == 2
    one.close()
    assert session_has_ended(pid)
    one.close()


def test_closing_at_once_takes_a_service_that_does_not_lead_its_session_yet(spawner: Callable[..., Spawner]) -> None:
    for _ in range(5):
        one = spawner(SERVE)
        pid, _ = one.start()
        one.close()
        assert not Path(f"/proc/{pid}").exists()


def test_a_spawner_that_was_never_told_to_start_leaves_nothing(spawner: Callable[..., Spawner]) -> None:
    one = spawner(SERVE)
    porter_and_spawner = [*children(one.pid), one.pid]
    assert len(porter_and_spawner) == 2
    one.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in porter_and_spawner)
    assert Path(one.order["log"]).read_text() == ""


HARNESS = """
import json, sys
from harness.targets.process.spawning import Spawner
spawner = Spawner(json.loads(sys.argv[1]))
print(spawner.start()[0], flush=True)
input()
"""


def test_an_interrupt_while_it_gets_ready_leaves_nothing(
    spawner: Callable[..., Spawner], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its porter enters the control group meanwhile: whoever removes the group must not meet it there."""
    made: list[Spawner] = []

    def interrupted(half_made: Spawner) -> dict[str, int]:
        made.append(half_made)
        raise KeyboardInterrupt

    monkeypatch.setattr(Spawner, "_receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        spawner(SERVE)
    monkeypatch.undo()
    assert not Path(f"/proc/{made[0].pid}").exists()


def test_a_killed_harness_leaves_no_service(spawner: Callable[..., Spawner]) -> None:
    order = spawner(SERVE).order
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, json.dumps(order)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    with harness:
        assert harness.stdout is not None
        pid = int(harness.stdout.readline())
        until(lambda: session(pid) == [pid])
        harness.kill()
    assert session_has_ended(pid)


def test_a_session_with_a_living_member_has_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.targets.process.spawning._END_LIMIT_S", 0)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as sleeper:
        assert not session_has_ended(sleeper.pid)
        sleeper.kill()
    assert session_has_ended(sleeper.pid)
