"""Who runs what, where and with which environment: an image's configuration, resolved as Docker would.

The rules for users are those of runc (``libcontainer/user.GetExecUser``), so that every target means the same user as
the container engine does.
"""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import join, normpath

from harness.artifacts.api import ImageConfig, User
from harness.artifacts.entry import EntryRecord
from harness.errors import SpecError
from harness.spec.service import ServiceSpec

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MAX_ID = 2**31 - 1

PLAIN = ImageConfig(argv=("/bin/sh",), env=(("PATH", DEFAULT_PATH), ("HOME", "/root")))
"""What an image carries that is deployed with several configurations: nothing of theirs, for an engine would add a
variable of one to another's environment. A launch gives each its own configuration, whole."""


def resolve(record: EntryRecord, service: ServiceSpec | None = None) -> ImageConfig:
    """The configuration of an entry with ``service``'s overrides.

    A given argv replaces Entrypoint and Cmd together; env is merged by name; a given workdir or user replaces. PATH and
    HOME are always set. The supplementary groups do not repeat the primary one. Raises SpecError for a user that the
    root file system does not know, and if there is nothing to run.
    """
    argv = (service.argv if service else ()) or record.argv
    if not argv:
        raise SpecError(f"{record.source} says nothing about what to run", "give the service an argv")
    user = resolve_user(
        (service.user if service else None) or record.user,
        record.accounts.get("passwd", ""),
        record.accounts.get("group", ""),
    )
    env = {"PATH": DEFAULT_PATH, **dict(record.env), **(service.env if service else {})}
    env.setdefault("HOME", user.home)
    workdir = (service.workdir if service else None) or record.workdir or "/"
    ports = dict.fromkeys((*((service.port,) if service else ()), *record.ports))
    return ImageConfig(
        argv=tuple(argv),
        env=tuple(env.items()),
        workdir="/" + normpath(join("/", workdir)).lstrip("/"),
        user=user,
        ports=tuple(ports),
    )


def resolve_user(spec: str, passwd: str, group: str) -> User:
    """``user``, ``uid``, ``user:group``, ``uid:gid`` or nothing (root) in numbers.

    ``passwd`` and ``group`` are the contents of those files in the root file system. A number needs no entry there; its
    group is then 0 and its home ``/``. Supplementary groups come from ``group`` unless a group is named. Raises
    SpecError for a name without an entry.
    """
    user_part, _, group_part = spec.partition(":")
    user_part = user_part or "0"
    number = _number(user_part)
    name, uid, gid, home = "", number, 0, "/"
    for fields in _entries(passwd, 7):
        if fields[0] == user_part or (number is not None and fields[2] == user_part):
            name, uid, gid, home = fields[0], int(fields[2]), int(fields[3]), fields[5] or "/"
            break
    if uid is None:
        known = ", ".join(sorted(fields[0] for fields in _entries(passwd, 7))[:10])
        raise SpecError(
            f"the root file system has no user {user_part!r}",
            f"name a numeric user such as 1000:1000, or one of: {known or '(it has no users at all)'}",
        )
    if group_part:
        return User(uid=uid, gid=_group_id(group_part, group), home=home)
    members = (int(f[2]) for f in _entries(group, 4) if name and name in f[3].split(","))
    return User(uid=uid, gid=gid, groups=tuple(sorted({g for g in members if g != gid})), home=home)


def _group_id(part: str, group: str) -> int:
    number = _number(part)
    for fields in _entries(group, 4):
        if fields[0] == part or (number is not None and fields[2] == part):
            return int(fields[2])
    if number is None:
        raise SpecError(f"the root file system has no group {part!r}", "name a numeric group such as 1000")
    return number


def _number(part: str) -> int | None:
    if not (part.isascii() and part.isdigit()):
        return None
    if int(part) > _MAX_ID:
        raise SpecError(f"{part} is too large for a user or a group", f"name a number up to {_MAX_ID}")
    return int(part)


def _entries(text: str, count: int) -> Iterator[list[str]]:
    """The well-formed lines of /etc/passwd or /etc/group; as in runc, others are passed over."""
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) >= count and fields[2].isdigit() and (count == 4 or fields[3].isdigit()):
            yield fields
