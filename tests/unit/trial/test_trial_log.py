"""The harness's own log of an attempt: whose lines it holds, for how long, and what a full disk does to it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from harness.clock import now_ns
from harness.trial.trial_log import TRIAL_LOG, trial_log

log = logging.getLogger("harness.targets.example")


def test_it_holds_what_the_harness_says_while_it_is_attached_and_when(tmp_path: Path) -> None:
    log.info("before")
    began_ns = now_ns()
    with trial_log(tmp_path):
        log.debug("%s: stage", "tare-x-svc")
        logging.getLogger("locust").critical("somebody else's")
    log.info("after")
    (line,) = (tmp_path / TRIAL_LOG).read_text().splitlines()
    moment, words = line.split(" ", 1)
    assert words == "DEBUG harness.targets.example: tare-x-svc: stage"
    # The moment is written to a microsecond.
    assert began_ns // 1000 <= round(float(moment) * 1e6) <= now_ns() // 1000 + 1


def test_two_attempts_have_a_log_each_and_one_that_goes_on_is_appended_to(tmp_path: Path) -> None:
    for name in ("a", "b", "a"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        with trial_log(folder):
            log.info("in %s", name)
    said = {name: (tmp_path / name / TRIAL_LOG).read_text().count(f"in {name}") for name in ("a", "b")}
    assert said == {"a": 2, "b": 1}


def test_it_leaves_the_loggers_as_they_were_whatever_happens(tmp_path: Path) -> None:
    logger = logging.getLogger("harness")
    before = (logger.level, list(logger.handlers))
    with pytest.raises(KeyError), trial_log(tmp_path):
        os.environ["TARE_NO_SUCH_VARIABLE"]
    assert (logger.level, logger.handlers) == before


def test_a_folder_that_cannot_be_written_is_the_hosts_refusal(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"), trial_log(tmp_path / "missing"):
        pytest.fail("it must not get here")


def test_a_disk_that_refuses_a_line_fails_nothing_and_prints_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / TRIAL_LOG).symlink_to("/dev/full")
    with trial_log(tmp_path):
        log.info("it cannot be written")
    assert capsys.readouterr().err == ""
