"""One clock for every timestamp, and the timeline of one launch."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock import NS_PER_MS, Stopwatch, now_ns, sleep_until_ns

ASK = "import time; print(time.clock_gettime_ns(time.CLOCK_MONOTONIC))"


def test_it_is_the_same_clock_in_every_process() -> None:
    before = now_ns()
    told = int(subprocess.run([sys.executable, "-Sc", ASK], capture_output=True, check=True).stdout)
    assert before < told < now_ns()


def test_sleeping_never_ends_early_and_the_past_is_over_at_once() -> None:
    moment = now_ns() + 3 * NS_PER_MS
    sleep_until_ns(moment)
    assert now_ns() >= moment
    sleep_until_ns(0)


def test_phases_count_from_the_trigger_in_the_order_in_which_they_were_reached() -> None:
    watch = Stopwatch()
    assert not watch.started
    assert watch.phases() == {}
    trigger = watch.start()
    assert watch.started
    assert watch.trigger_ns == trigger
    watch.stamp("second", trigger + 20)
    watch.stamp("first", trigger + 10)
    assert list(watch.phases().items()) == [("first", 10), ("second", 20)]


def test_a_stamp_without_a_time_is_now() -> None:
    watch = Stopwatch()
    watch.start()
    before = now_ns()
    watch.stamp("now")
    assert before <= watch.trigger_ns + watch.phases()["now"] <= now_ns()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**12)), max_size=12))
def test_the_first_stamp_of_a_name_stays(stamps: list[tuple[str, int]]) -> None:
    watch = Stopwatch()
    trigger = watch.start()
    for name, after in stamps:
        watch.stamp(name, trigger + after)
    found = watch.phases()
    assert found == {name: next(after for other, after in stamps if other == name) for name, _ in stamps}
    assert list(found.values()) == sorted(found.values())


def test_a_stopwatch_starts_once() -> None:
    watch = Stopwatch()
    with pytest.raises(RuntimeError, match="not been started"):
        _ = watch.trigger_ns
    watch.start()
    with pytest.raises(RuntimeError, match="starts once"):
        watch.start()


def test_a_stamp_before_the_trigger_is_kept() -> None:
    """A target may see a phase on another thread before ``start`` has returned: it is told, not hidden."""
    watch = Stopwatch()
    watch.stamp("early")
    watch.start()
    assert watch.phases()["early"] <= 0


def test_threads_may_stamp_at_once() -> None:
    watch = Stopwatch()
    watch.start()
    threads = [threading.Thread(target=watch.stamp, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(watch.phases()) == {str(number) for number in range(8)}
