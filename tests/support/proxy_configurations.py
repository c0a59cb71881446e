"""Configurations before a proxy's own parser, in the root file system that the proxy is deployed from."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.artifacts.packagings.directory import ensure_directory
from harness.proxies.api import Proxy, Rendered
from harness.proxies.delivery import FOLDER

LIMIT_S = 240


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the parser made of one configuration: its exit code, and all that it printed."""

    code: int
    said: str


def judged(proxy: Proxy, check: str, cases: Sequence[Rendered], scratch: Path) -> list[Judgement]:
    """The parser's word on each of ``cases``. ``check`` is a line of shell that the proxy's user runs in its tree.

    Mounts and a network of their own, gone with the call: what a parser writes or listens on is in nobody's way, and
    the tree stays as it is.
    """
    tree = ensure_directory(proxy.prepare())
    for number, case in enumerate(cases):
        folder = scratch / "cases" / str(number)
        folder.mkdir(parents=True)
        for name, text in {**case.files, **case.secrets}.items():
            (folder / name).write_text(text, "utf-8")
    inside = f"""
    cd /tmp; for case in $(ls cases); do
        rm -rf {FOLDER}; cp -r cases/$case {FOLDER}
        ( {check} ) >out.$case 2>&1 </dev/null; echo $? >code.$case
    done"""
    order = f"""
    mount -t overlay overlay -o lowerdir={tree},upperdir={scratch}/upper,workdir={scratch}/work {scratch}/root
    cd {scratch}/root
    mount -t proc proc proc; mount --rbind /dev dev; mount -t tmpfs -o mode=1777 tmpfs tmp
    cp -r {scratch}/cases tmp/cases; chmod -R a+rX tmp/cases; ip link set lo up
    chroot --userspec={proxy.user} . /bin/sh -c {shlex.quote(inside)}
    cp tmp/out.* tmp/code.* {scratch}/said"""
    for name in ("upper", "work", "root", "said"):
        (scratch / name).mkdir()
    subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-ec", order],
        check=True,
        timeout=LIMIT_S,
        capture_output=True,
        text=True,
    )
    said = scratch / "said"
    return [
        Judgement(int((said / f"code.{number}").read_text()), (said / f"out.{number}").read_text(errors="replace"))
        for number in range(len(cases))
    ]
