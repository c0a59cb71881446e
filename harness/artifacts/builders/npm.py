"""Locked Node packages, installed from outside into a root file system's ``node_modules``."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.artifacts.tools import run_tool
from harness.errors import SpecError, Unavailable

MANIFESTS = ("package.json", "package-lock.json")
NODE_MODULES = "node_modules"

_QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


def install_npm(manifests: Path, workspace: Path, app: Path) -> None:
    """Install what a folder's ``package-lock.json`` names into ``app/node_modules``, without running any script.

    Development dependencies are left out. The versions and their integrity come from the lock, the packages from the
    registry that this host's npm is set up for. Both are put in ``workspace``, which npm fills with its cache as well.
    The result is the same, byte for byte, on every host of this architecture: what npm notes about the installation
    is removed. Raises Unavailable without npm, SpecError without a manifest or a lock, BuildError with the log if npm
    fails.
    """
    if shutil.which("npm") is None:
        raise Unavailable(
            "npm is not installed, and the workload has Node packages", "apt-get install --no-install-recommends npm"
        )
    workspace.mkdir(mode=0o755)
    for name in MANIFESTS:
        if not (manifests / name).is_file():
            raise SpecError(
                f"{manifests} holds no {name}", "make it: npm install --omit-lockfile-registry-resolved=true"
            )
        shutil.copyfile(manifests / name, workspace / name)
    run_tool(
        [
            # Not by --prefix: npm would then look for the host's own settings below it.
            *("npm", "ci", f"--cache={workspace / 'cache'}"),
            *("--omit=dev", "--ignore-scripts", *_QUIET),
        ],
        where=workspace,
        inside=True,
        remedy="read the log below; lock again with: npm install --omit-lockfile-registry-resolved=true; "
        "check that the package registry answers",
    )
    installed = workspace / NODE_MODULES
    installed.mkdir(exist_ok=True)  # npm makes none for a lock without packages
    (installed / ".package-lock.json").unlink(missing_ok=True)
    shutil.rmtree(app / NODE_MODULES, ignore_errors=True)
    shutil.move(installed, app / NODE_MODULES)
