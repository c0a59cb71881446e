"""Locked Python dependencies, installed from outside into a folder for a Python that need not be this one."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from pathlib import Path

from harness.artifacts.tools import run_tool
from harness.errors import BuildError, Unavailable

_INSTALLER_TRACES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
_GLIBC_MINORS = (36, 35, 34, 31, 28, 27, 26, 24, 17, 12, 5)
"""Wheels built for these or an older glibc run on every suite since Debian 12, whose glibc is 2.36."""

_LEGACY_TAGS = ("manylinux2014", "manylinux2010", "manylinux1")
_REMEDY = "read the log below; lock again with: uv pip compile --generate-hashes; check that the package index answers"


def install_requirements(lock: Path, site_packages: Path, *, python: str | None = None) -> None:
    """Install a hash-locked requirements file into ``site_packages``, wheels only, without scripts or byte code.

    ``python`` is the version of a root file system's CPython, for this machine's architecture and glibc >= 2.36; None
    means the interpreter that runs this. pip is used if this interpreter has it, uv otherwise; the result is the same,
    byte for byte. Raises Unavailable if there is neither, BuildError with the log if the installation fails.
    """
    if importlib.util.find_spec("pip") is not None:
        argv = [sys.executable, "-I", "-m", "pip", "install", "--no-input", "--no-warn-script-location", "--quiet"]
        argv += [*_pip_platform(python), "--no-compile"]
    elif uv := find_uv():
        argv = [uv, "pip", "install", "--quiet", "--link-mode=copy", *_uv_platform(python)]
    else:
        raise Unavailable(
            "neither pip nor uv is here to install a workload's dependencies", f"run: {sys.executable} -m ensurepip"
        )
    argv += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
    run_tool(
        [*argv, "--target", str(site_packages), "-r", str(lock)],
        where=site_packages,
        remedy=_REMEDY,
    )
    if not site_packages.is_dir():
        raise BuildError(f"{lock} installed nothing", "list a package in it, or remove the key from the file")
    _remove_installer_traces(site_packages)


def find_uv() -> str | None:
    """uv beside this interpreter, or on PATH."""
    return shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")


def _pip_platform(python: str | None) -> list[str]:
    if python is None:
        return []
    machine = platform.machine()
    tags = [f"manylinux_2_{minor}_{machine}" for minor in _GLIBC_MINORS]
    tags += [f"{tag}_{machine}" for tag in _LEGACY_TAGS]
    return [
        *("--python-version", python, "--implementation", "cp"),
        *(f"--platform={tag}" for tag in tags),
    ]


def _uv_platform(python: str | None) -> list[str]:
    if python is None:
        return ["--python", sys.executable]
    return ["--python-version", python, "--python-platform", f"{platform.machine()}-manylinux_2_36"]


def _remove_installer_traces(site_packages: Path) -> None:
    """Remove what says how and by whom it was installed, and scripts, which name this host's interpreter."""
    for name in _INSTALLER_TRACES:
        for file in site_packages.glob(f"*.dist-info/{name}"):
            file.unlink()
    (site_packages / ".lock").unlink(missing_ok=True)
    shutil.rmtree(site_packages / "bin", ignore_errors=True)
