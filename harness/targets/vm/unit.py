"""The service as a systemd unit, exactly: the same words, environment, user and folder as on every other target.

Rules of quoting: systemd.syntax(7), systemd.unit(5) (specifiers) and systemd.service(5) (command lines). What systemd
would add to the environment, and what it would take away (SIGPIPE, open files, tasks), is set as a container has it.
"""

from __future__ import annotations

import posixpath
import re

from harness.artifacts.api import User
from harness.artifacts.builders.guest_system import ENDED, LOG_UNIT, WORKLOAD_UNIT
from harness.errors import DeployError
from harness.host.guest.cpio import Entry, folder, link, newc
from harness.host.guest.initrd import LAUNCH, LOG, WORKLOAD
from harness.lab.api import LabAddress
from harness.targets.api import Service

_ADDED_BY_SYSTEMD = ("INVOCATION_ID", "LANG", "LOGNAME", "SHELL", "SYSTEMD_EXEC_PID", "USER")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PREFIXES = "@-:+!|"
"""Characters that mean something to systemd at the beginning of a command."""


def quoted(word: str) -> str:
    """A word of a unit file that systemd reads back as ``word``, for any word without NUL. Raises DeployError."""
    if "\0" in word:
        raise DeployError("an argument holds a NUL byte", "remove it from argv or env")
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise DeployError(f"not UTF-8, which systemd needs: {word!r}", "change argv, env or workdir") from error
    characters = []
    for character in word:
        if character in '"\\':
            characters.append("\\" + character)
        elif character == "%":
            characters.append("%%")
        elif character < " " or character == "\x7f":
            characters.append(f"\\x{ord(character):02x}")
        else:
            characters.append(character)
    return f'"{"".join(characters)}"'


def command_line(service: Service) -> str:
    """``ExecStart``: ``@`` keeps the first word as it is, ``:`` leaves ``$`` alone. Raises DeployError."""
    first = service.argv[0]
    if "/" in first:
        program = posixpath.normpath(posixpath.join(service.workdir, first))
    elif first and first[0] not in _PREFIXES:
        program = first
    else:
        raise DeployError(f"systemd cannot start a program named {first!r}", "give its full path in argv")
    return " ".join((quoted(f"@:{program}"), *(quoted(word) for word in service.argv)))


def unit(service: Service, token: str) -> str:
    """The unit file. ``token`` begins the line that is written after the service's own words when it has ended.

    Raises DeployError for what systemd cannot express: a variable's name that is not an identifier.
    """
    env = dict(service.env)
    for name in env:
        if not _NAME.fullmatch(name):
            raise DeployError(f"systemd cannot set a variable named {name!r}", "remove it from the image or env")
    search = [quoted(folder)[1:-1] for folder in env.get("PATH", "").split(":") if folder.startswith("/")]
    lines = [
        "[Unit]",
        "Description=The workload",
        f"Wants={LOG_UNIT}",
        "",
        "[Service]",
        "Type=exec",
        f"RootDirectory={WORKLOAD}",
        "RootDirectoryStartOnly=yes",
        "MountAPIVFS=yes",
        f"WorkingDirectory={service.workdir.replace('%', '%%')}",
        f"ExecStart={command_line(service)}",
        f"ExecStopPost=+{ENDED} {token}",
        *([f"ExecSearchPath={':'.join(search)}"] if search else []),
        *(f"Environment={quoted(f'{name}={value}')}" for name, value in env.items()),
        f"UnsetEnvironment={' '.join(name for name in _ADDED_BY_SYSTEMD if name not in env)}",
        f"StandardOutput=file:{LOG}",
        "StandardError=inherit",
        "IgnoreSIGPIPE=no",
        "LimitNOFILE=1048576",
        "TasksMax=infinity",
    ]
    user = service.user
    if not _is_root(user):
        lines += [f"User={user.uid}", f"Group={user.gid}"]
        lines += [f"SupplementaryGroups={' '.join(str(group) for group in user.groups)}"] if user.groups else []
    return "\n".join(lines) + "\n"


def accounts(user: User) -> tuple[str, str]:
    """What the guest's passwd and group need: systemd takes a number only if it knows it. The first entry counts, so
    that one more for a known number changes nothing."""
    if _is_root(user):
        return "", ""
    passwd = f"tare-{user.uid}:x:{user.uid}:{user.gid}::/:/bin/sh\n"
    return passwd, "".join(f"tare-{gid}:x:{gid}:\n" for gid in sorted({user.gid, *user.groups}))


def _is_root(user: User) -> bool:
    return (user.uid, user.gid, user.groups) == (0, 0, ())


def launch_archive(service: Service, at: LabAddress, token: str) -> bytes:
    """What one launch adds to the initial RAM file system: the address and the unit."""
    if at.network is None:
        raise DeployError("a virtual machine needs the bridged lab", "run as root")
    units = f"{LAUNCH}/units"
    network = f"IP={at.ip}\nPREFIX={at.network.prefixlen}\n"
    passwd, group = accounts(service.user)
    return newc(
        [
            folder(LAUNCH),
            Entry(f"{LAUNCH}/network", network.encode()),
            Entry(f"{LAUNCH}/passwd", passwd.encode()),
            Entry(f"{LAUNCH}/group", group.encode()),
            folder(units),
            Entry(f"{units}/{WORKLOAD_UNIT}", unit(service, token).encode()),
            folder(f"{units}/multi-user.target.wants"),
            link(f"{units}/multi-user.target.wants/{WORKLOAD_UNIT}", f"../{WORKLOAD_UNIT}"),
        ]
    )
