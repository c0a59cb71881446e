"""Children that are spoken to by lines: real processes, their answers, their ends."""

from __future__ import annotations

import os
import sys

import pytest

import harness
from harness.clock import NS_PER_S, now_ns
from harness.runtime.child import Child, Lines, bare, environment, module

LIMIT_NS = 30 * NS_PER_S
ECHO = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)\nprint('input ended', file=sys.stderr)"


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_an_order_is_answered_by_a_line() -> None:
    with Child(program(ECHO)) as child:
        for word in ("one", "two"):
            child.send(word)
            assert child.receive(now_ns() + LIMIT_NS) == word.encode()
        assert child.receive(now_ns()) is None, "nothing was said, and it still runs"
    assert gone(child.pid)


def test_several_lines_that_come_at_once_are_given_one_by_one() -> None:
    with Child(program("print('a\\nb\\nlast', end='')")) as child:
        assert [child.receive(now_ns() + LIMIT_NS) for _ in range(3)] == [b"a", b"b", b""], "the last is no line"


def test_one_that_has_ended_takes_no_order_and_gives_no_answer() -> None:
    with Child(program("import sys; sys.exit('so it ends')")) as child:
        assert child.receive(now_ns() + LIMIT_NS) == b""
        assert child.wait(30)
        child.send("anybody there?")
        child.close_input()
        assert child.end().strip() == "so it ends"
        assert child.receive(now_ns() + LIMIT_NS) == b""
        assert not child.running
    with pytest.raises(RuntimeError):
        child.send("and now?")


def test_the_end_of_its_input_is_the_end_of_its_orders() -> None:
    with Child(program(ECHO)) as child:
        child.close_input()
        child.close_input()
        assert child.wait(30)
        assert child.end() == child.end() == "input ended\n"


def test_one_that_reads_nothing_is_killed_on_the_way_out() -> None:
    with Child(program("import time; print('up', flush=True); time.sleep(600)")) as child:
        assert child.receive(now_ns() + LIMIT_NS) == b"up"
        assert not child.wait(0.01)
    assert gone(child.pid)


def test_it_leads_a_session_of_its_own_and_gets_the_descriptors_that_it_is_given() -> None:
    reading, writing = os.pipe()
    with Child(
        program(f"import os; os.write({writing}, b'%d\\n' % os.getsid(0)); input()"), pass_fds=[writing]
    ) as child:
        os.close(writing)
        assert Lines(reading).receive(now_ns() + LIMIT_NS) == b"%d" % child.pid
    os.close(reading)


def test_a_child_finds_the_package_that_its_parent_runs() -> None:
    with Child(program("import harness; print(harness.__file__)"), env=environment()) as child:
        assert (child.receive(now_ns() + LIMIT_NS) or b"").decode() == harness.__file__


def test_the_words_of_a_command() -> None:
    assert module("harness.x", "--one")[1:] == ["-P", "-m", "harness.x", "--one"]
    assert bare("harness.x")[1:3] == ["-I", "-S"]
