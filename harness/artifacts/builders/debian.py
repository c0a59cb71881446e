"""A Debian root file system by mmdebstrap, from the package sources that this host itself uses."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.artifacts.tools import need_space, run_tool
from harness.units import MIB

SOURCE_DATE_EPOCH = 1_735_689_600
"""2025-01-01T00:00Z: every file of a built tree that would be younger gets this time, so that builds are alike."""

_FREE_BYTES = 768 * MIB
"""Lists, packages, the tree and its archive together. Without room for its lists apt hangs instead of failing."""

_DOCS = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*")
_LICENCES = "/usr/share/doc/*/copyright"
_BEFORE_MERGED_USR = frozenset({"buster", "bullseye"})
"""Later suites depend on ``usrmerge | usr-is-merged``: without the latter, Perl comes along for 50 MB."""

_DEBIAN_ARCHIVE = re.compile(r"/(debian|debian-security)/?$")
_APT_OPTION = re.compile(r"^Acquire::(http|https|Check-|ForceIPv|Retries|AllowInsecure|AllowWeak)[^ ]* \"[^\"]+\";$")


def bootstrap(suite: str, packages: Sequence[str], tree: Path) -> None:
    """Make a root file system of the suite's essential packages and ``packages`` in ``tree``, which must not exist.

    Manuals, documentation (licences stay), translations and the package manager's lists are left out. Needs root.
    Raises Unavailable without mmdebstrap, BuildError with its log if it fails.
    """
    need_space(tree.parent, _FREE_BYTES)
    argv = ["mmdebstrap", "--mode=root", "--variant=essential", "--format=directory"]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in _DOCS]
    argv += [f"--dpkgopt=path-include={_LICENCES}"]
    argv += [f"--aptopt={option}" for option in host_apt_options()]
    wanted = set(packages) | (set() if suite in _BEFORE_MERGED_USR else {"usr-is-merged"})
    if wanted:
        argv.append(f"--include={','.join(sorted(wanted))}")
    run_tool(
        [*argv, suite, str(tree), *host_mirrors(suite)],
        where=tree.parent,
        remedy="read the log below; check the packages' names in workload.toml and that the Debian mirror answers",
        env={
            "SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH),
            "DEBIAN_FRONTEND": "noninteractive",
            "TMPDIR": str(tree.parent),  # so that nothing stays in /tmp when it is killed
        },
        own_pids=True,
    )


def host_mirrors(suite: str) -> list[str]:
    """One-line package sources of ``suite`` as this host's apt is configured; empty means mmdebstrap's default.

    On a Debian host of another suite the host's own mirrors are asked for ``suite`` instead. Sources that are not
    Debian's own archive are never used, nor are sources without a plain ``suite``.
    """
    listed = _ask(
        "apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)", "Created-By: Packages"
    )
    return mirrors_for(suite, _host_suite(), listed.splitlines())


def mirrors_for(suite: str, host_suite: str, listed: Sequence[str]) -> list[str]:
    """``host_mirrors``, from lines of ``URI|release|component|origin`` (an unknown origin is ``$(ORIGIN)``)."""
    for known in dict.fromkeys((suite, host_suite)):
        found: dict[str, None] = {}
        releases = {known: suite, f"{known}-updates": f"{suite}-updates", f"{known}-security": f"{suite}-security"}
        for line in listed:
            uri, release, component, origin = line.split("|")
            ours = origin == "Debian" or (origin.startswith("$") and _DEBIAN_ARCHIVE.search(uri))
            if ours and component == "main" and release in releases:
                found[f"deb {uri} {releases[release]} main"] = None
        if any(line.split()[2] == suite for line in found):
            return list(found)
    return []


def host_apt_options() -> list[str]:
    """This host's apt settings that decide whether its mirror can be reached: proxies, certificates, date checks."""
    return [line for line in _ask("apt-config", "dump").splitlines() if _APT_OPTION.match(line)]


def package_versions(tree: Path) -> dict[str, str]:
    """The packages installed in ``tree`` with their versions."""
    lines = run_tool(
        ["dpkg-query", f"--admindir={tree / 'var/lib/dpkg'}", "--show", "--showformat=${Package}\t${Version}\n"],
        where=tree,
        remedy="remove the cache entry and build it again",
    )
    return dict(line.split("\t", 1) for line in sorted(lines.splitlines()))


def _host_suite() -> str:
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    return release.get("VERSION_CODENAME", "") if release.get("ID") == "debian" else ""


def _ask(*argv: str) -> str:
    """What a query of the host's apt says; nothing on a host that has no apt, where mmdebstrap's defaults hold."""
    if shutil.which(argv[0]) is None:
        return ""
    return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stdout
