from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness.errors import DeployError
from harness.targets.inside import look_inside


def up_s() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def test_a_plain_process_sees_the_whole_host() -> None:
    before_s = up_s()
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            view = look_inside(process.pid)
        finally:
            process.kill()
    assert view.kernel_release == os.uname().release
    assert view.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert view.sees_host_processes
    assert view.visible_processes > 1
    assert view.devices > 0
    assert before_s <= view.uptime_s <= up_s()


def test_a_process_that_has_ended_is_a_deploy_error() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    with pytest.raises(DeployError, match="nothing can be seen") as caught:
        look_inside(ended.pid)
    assert caught.value.remedy
