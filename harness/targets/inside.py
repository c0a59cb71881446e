"""What a process or a container can see, looked up from the host and without any program in its image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness.errors import DeployError
from harness.host import machine
from harness.targets.api import InsideView

_CHILD = Path(__file__).with_name("inside_child.py")
_LIMIT_S = 10


def look_inside(pid: int) -> InsideView:
    """The view from the namespaces and the root directory of a process of this host.

    The looking process itself is not counted. ``virtualisation`` is this machine's, because its kernel is shared.
    Raises DeployError if the process has ended or may not be looked into.
    """
    before, _, after = Path("/proc/self/stat").read_text().rpartition(")")
    own = (before.partition("(")[2], after.split()[19])
    # -I and -S: only the standard library, whatever the environment says, and a quick start.
    command = [sys.executable, "-I", "-S", str(_CHILD), str(pid), *own]
    remedy = (
        "the service has probably ended; look at the instance's logs" if os.geteuid() == 0 else "run as root: sudo -E"
    )
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise DeployError(f"looking inside process {pid} took more than {_LIMIT_S} s", remedy) from error
    if done.returncode != 0:
        failure = DeployError(f"nothing can be seen from inside process {pid}: {_last_line(done.stderr)}", remedy)
        failure.add_note(done.stderr.strip())
        raise failure
    word = machine.virtualisation(shutil.which("systemd-detect-virt"))
    return InsideView(**json.loads(done.stdout), virtualisation=word)


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "it printed nothing"
