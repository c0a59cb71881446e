"""Finds and removes what killed runs left behind: exactly ours, by names that were fixed before anything was made."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from harness.host.cgroups import detect as cgroup
from harness.host.paths import run_dir
from harness.host.processes import end, lineage, marked
from harness.lab import forwarding, namespace
from harness.lab.bridged import LINK_PREFIX, is_own_link, links, remove_link
from harness.targets.api import Leftover, Target
from harness.targets.layers import mounts_below, unmount

NAME_PREFIX = "tare-"
"""Every instance, namespace, control group and folder of a run is named so before it exists."""


def leftovers(targets: Sequence[Target]) -> list[Leftover]:
    """Everything of ours that no living run owns, dependants first.

    To be called by who holds the host's lock, so that no other run lives. Without root it is processes and folders:
    nothing else can have been made.
    """
    made_by_root = _made_by_root(targets) if os.geteuid() == 0 else ()
    return [
        *(Leftover("process", f"{pid} ({name})", partial(end, pid, since)) for pid, name, since in marked(lineage())),
        *made_by_root,
        *(Leftover("folder", str(folder), partial(shutil.rmtree, folder, ignore_errors=True)) for folder in _folders()),
    ]


def _made_by_root(targets: Sequence[Target]) -> list[Leftover]:
    return [
        *(found for target in targets for found in target.leftovers(NAME_PREFIX)),
        *(Leftover("mount", point, partial(unmount, Path(point))) for point in _mounts()),
        *(Leftover("namespace", name, partial(namespace.remove, name)) for name in _ours(namespace.names())),
        *(Leftover("link", name, partial(remove_link, name)) for name in links(LINK_PREFIX) if is_own_link(name)),
        *(Leftover("iptables rule", name, partial(forwarding.drop_rule, name)) for name in _bridges_with_rule()),
        *(Leftover("control group", name, partial(cgroup.remove_leftover, name)) for name in _control_groups()),
    ]


def _ours(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(NAME_PREFIX)]


def _mounts() -> list[str]:
    return [point for point in mounts_below(run_dir()) if point != str(run_dir())]


def _bridges_with_rule() -> list[str]:
    return [bridge for bridge in forwarding.bridges_with_rule(LINK_PREFIX) if is_own_link(bridge)]


def _control_groups() -> list[str]:
    return cgroup.leftovers(NAME_PREFIX)


def _folders() -> list[Path]:
    return sorted(folder for folder in run_dir().iterdir() if folder.is_dir() and folder.name.startswith(NAME_PREFIX))
