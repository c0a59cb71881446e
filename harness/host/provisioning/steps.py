"""Makes a host ready: installs what is missing, opens KVM to QEMU, starts the engines, fetches the guest kernel."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.errors import BuildError, Unavailable
from harness.host import accelerator, kvm_device
from harness.host.facts import HostFacts
from harness.host.guest import kernel as guest_kernel
from harness.host.provisioning import apt, daemons
from harness.host.provisioning.engines import docker_engine, libvirt_engine
from harness.host.provisioning.packages import Need, missing

LIBVIRT_REQUIREMENT = "libvirt-python>=9.0"
"""As the ``vm`` extra of this package says, which a test compares."""

_BUILD_LIMIT_S = 600
_LOG_LINES = 15


@dataclass(frozen=True, slots=True)
class Step:
    """One change to the machine. ``command`` is what a person would type for the same effect.

    ``run`` is idempotent, and raises Unavailable or BuildError with what to do about it.
    """

    title: str
    why: str
    command: str
    needs_root: bool
    run: Callable[[], None]


def plan(facts: HostFacts, *, for_tests: bool = False) -> list[Step]:
    """The steps that are left to do, in order; empty on a host that is ready. Changes nothing.

    ``for_tests`` adds what only the tests need. A step that needs root raises Unavailable when it is run without.
    """
    needs = missing(facts, for_tests=for_tests)
    steps: list[Step] = []
    if needs:
        steps.append(_packages(facts, needs))
    if not facts.libvirt.installed:
        install = partial(install_python_package, LIBVIRT_REQUIREMENT)
        command = " ".join(installer(LIBVIRT_REQUIREMENT))
        steps.append(Step("Build libvirt-python", "the vm target talks to libvirt with it", command, False, install))
    if kvm_device.needs_permission():
        why = "QEMU's user may not open the device, so libvirt would examine QEMU for a minute before each machine"
        steps.append(Step("Open KVM to QEMU", why, kvm_device.FIX, True, kvm_device.permit))
    if facts.docker.version is None:
        steps.append(_engine(facts, "Docker", (daemons.DOCKER,), ("docker",)))
    if facts.libvirt.version is None:
        units = ("virtlogd.socket", "libvirtd")
        steps.append(_engine(facts, "libvirt", (daemons.VIRTLOGD, daemons.LIBVIRTD), units))
    kernel = guest_kernel.guest_kernel_if_built()
    if kernel is None:
        command = "apt-get download linux-image-cloud-amd64 busybox-static"
        why = "virtual machines boot Debian's own kernel; it is not installed on this host"
        steps.append(Step("Fetch the guest kernel", why, command, False, _fetch_kernel))
    if kvm_device.DEVICE.exists() and (kernel is None or accelerator.cached() is None):
        why = "only a kernel that reaches user space proves KVM; else virtual machines are emulated"
        steps.append(Step("Try KVM", why, "tare doctor", False, _try_kvm))
    return [_guarded(step) for step in steps]


def stop_engines() -> list[str]:
    """Stop the engine daemons that a provisioning started by itself, the last one first, and return their names.

    Whatever systemd or a person started is never touched. Raises DeployError if one does not end.
    """
    return daemons.stop_all()


def _packages(facts: HostFacts, needs: list[Need]) -> Step:
    names = [need.package for need in needs]
    why = "needed for " + ", ".join(dict.fromkeys(need.why for need in needs))
    if not facts.has_apt:
        command = f"(with this system's package manager) install what Debian calls: {' '.join(names)}"
        return Step("Install packages", why, command, False, partial(_refuse_without_apt, names))
    return Step("Install packages", why, " ".join((*apt.INSTALL, *names)), True, partial(apt.install, names))


def _refuse_without_apt(names: list[str]) -> None:
    raise Unavailable("this host has no apt-get, which is all that Tare can install with",
                      f"install what Debian calls: {' '.join(names)}")  # fmt: skip


def _engine(facts: HostFacts, name: str, own: tuple[daemons.Daemon, ...], units: tuple[str, ...]) -> Step:
    why = "it does not answer"
    if facts.has_systemd:
        command = ("systemctl", "enable", "--now", *units)
        return Step(f"Start {name}", why, " ".join(command), True, partial(_start_units, name, command, own[-1].ready))
    return Step(
        f"Start {name}",
        f"{why}; without systemd it runs in the background, and tare provision --stop-engines stops it",
        "; ".join(f"setsid {' '.join(daemon.command)} &" for daemon in own),
        True,
        partial(_start_daemons, own),
    )


def _start_daemons(own: tuple[daemons.Daemon, ...]) -> None:
    # virtlogd has nothing to do where libvirtd answers already.
    if not own[-1].ready():
        for daemon in own:
            daemons.start(daemon)


def _start_units(name: str, command: tuple[str, ...], ready: Callable[[], bool]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0 or not ready():
        reason = docker_engine().reason if name == "Docker" else libvirt_engine().reason
        failure = Unavailable(f"{name} does not answer: {reason}", f"see why: journalctl -n 50 -u {command[-1]}")
        failure.add_note((done.stdout + done.stderr).strip())
        raise failure


def installer(requirement: str) -> tuple[str, ...]:
    """The command that installs into this interpreter's environment, with uv where there is one: it may have no pip."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv:
        return (uv, "pip", "install", "--python", sys.executable, requirement)
    return (sys.executable, "-m", "pip", "install", requirement)


def install_python_package(requirement: str) -> None:
    """Install it into this interpreter's environment. Raises BuildError with the installer's last lines as a note."""
    command = installer(requirement)
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=_BUILD_LIMIT_S, check=False
    )
    if done.returncode != 0:
        failure = BuildError(f"{requirement} could not be installed", f"see why by hand: {' '.join(command)}")
        failure.add_note("\n".join((done.stdout + done.stderr).splitlines()[-_LOG_LINES:]))
        raise failure
    importlib.invalidate_caches()


def _fetch_kernel() -> None:
    may_fetch_lists = os.geteuid() == 0 and shutil.which("apt-get") is not None
    fresh = may_fetch_lists and apt.fetch_lists_if_empty()
    try:
        guest_kernel.guest_kernel()
    except BuildError:
        # Old lists name versions that the mirror no longer has.
        if fresh or not may_fetch_lists:
            raise
        apt.fetch_lists()
        guest_kernel.guest_kernel()


def _try_kvm() -> None:
    accelerator.probe(force=True)


def _guarded(step: Step) -> Step:
    def run() -> None:
        if step.needs_root and os.geteuid() != 0:
            raise Unavailable(f"only root can do this: {step.title}", "sudo -E tare provision")
        step.run()

    return Step(step.title, step.why, step.command, step.needs_root, run)
