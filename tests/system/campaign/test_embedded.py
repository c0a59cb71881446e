"""A user without any right, in front of engines that run: the process target is measured, the rest says why not."""

from __future__ import annotations

import html
import json
import os
from pathlib import Path

import psutil
import pytest

from tests.support.command import ROOT, tare
from tests.support.traces import traces
from tests.support.unprivileged import UID, as_nobody

pytestmark = [pytest.mark.alone, pytest.mark.timeout(1500)]

QUICKSTART = ROOT / "benches" / "quickstart.toml"
ANY_HOST = """
[validity] # this is not about figures, and the host may be busy with other tests
min_achieved_share = 0.01
max_send_lag_ms = 60_000
max_generator_busy = 1
max_steal = 1
"""


def test_without_rights_the_process_is_measured_over_loopback(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, UID, UID)
    env = {"HOME": str(home), "TARE_CACHE": str(home / "cache"), "XDG_RUNTIME_DIR": "", "XDG_CACHE_HOME": ""}
    nobody = as_nobody(home)
    campaign = home / "campaign"
    experiment = home / "quickstart.toml"
    text = QUICKSTART.read_text("utf-8").replace("closed_users = 8\n", "closed_users = 8\nnull_steps = 2\n")
    experiment.write_text(text + ANY_HOST, "utf-8")
    before = traces()
    command = ("run", experiment, "--quick", "--repeats", "1", "--out", campaign)
    ended = tare(tmp_path / "run", *command, env=env, before=nobody)
    assert ended.code == 0, ended
    assert traces() == before
    assert [process for process in psutil.process_iter() if UID in process.uids()] == []

    shown = json.loads(tare(tmp_path / "show", "show", campaign, "--json", env=env, before=nobody).out)
    assert [variant["name"] for variant in shown["variants"]] == ["process", "process-aa"]
    for variant in shown["variants"]:
        assert (variant["trials"], variant["valid"], variant["accelerator"]) == (1, 1, "none")
        assert {"startup_s", "memory_mib", "latency_p50_ms", "achieved_rps"} <= set(variant["metrics"])
    assert shown["host"]["root"] is False
    missing = {entry["target"]: entry for entry in shown["unavailable"]}
    assert set(missing) == {"container", "vm"}
    report = html.unescape((campaign / "report.html").read_text("utf-8"))
    for entry in missing.values():
        assert "root" in entry["reason"]
        assert entry["fix"].startswith("sudo ")
        for text in (entry["reason"], entry["fix"]):
            assert text in ended.out
            assert text in report
