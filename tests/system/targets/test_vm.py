"""What is the vm target's own, on the real engine; what every target promises is in the contract suite."""

from __future__ import annotations

import ctypes
import http.client
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.artifacts.api import Artifact, ImageConfig, User
from harness.artifacts.digest import tar_digest, tree_digest
from harness.artifacts.tree import write_tar
from harness.clock import NS_PER_S, Stopwatch, now_ns
from harness.errors import DeployError
from harness.host.paths import cache_dir
from harness.lab.bridged import BridgedLab, links
from harness.spec.service import Limits, Readiness
from harness.targets.api import Service
from harness.targets.vm.connection import domain_names
from harness.targets.vm.target import VmTarget
from tests.support.launch import launch

pytestmark = [pytest.mark.xdist_group("vm"), pytest.mark.timeout(1500)]

PREFIX = "tare-itvm"
BUSYBOX = Path("/bin/busybox")
LIMIT_S = 120
ODD = """a "b" %n $HOME ${X} \\ 'c' ;"""
CGI = """#!/bin/sh
echo "Content-Type: text/plain"
echo
/bin/id -u; /bin/id -g; /bin/pwd; echo "$ODD"
echo "served" >/dev/stderr
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A root file system of one static binary: no distribution, no systemd, no accounts."""
    folder = tmp_path_factory.mktemp("artifact", numbered=True)
    tree = folder / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "www/cgi-bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, tree / "bin/busybox")
    for applet in ("httpd", "id", "pwd", "sh"):
        (tree / "bin" / applet).symlink_to("busybox")
    (tree / "www/index.html").write_text("hello from the guest\n")
    (tree / "www/cgi-bin/who").write_text(CGI)
    (tree / "www/cgi-bin/who").chmod(0o755)
    # QEMU's user must get through to the disk, which pytest's own folders do not allow.
    kept = cache_dir() / f"test-{PREFIX}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(mode=0o755)
    write_tar(tree, kept / "rootfs.tar")
    assert tar_digest(kept / "rootfs.tar") == tree_digest(tree)
    made = Artifact("itvm", tree_digest(tree), kept, ImageConfig(("httpd",)), "test")
    VmTarget().prepare(made)
    return made


@pytest.fixture(scope="module")
def lab(artifact: Artifact) -> Iterator[BridgedLab]:
    with BridgedLab(PREFIX, "itvm") as made:
        yield made
    shutil.rmtree(artifact.folder)


def service(artifact: Artifact, *argv: str) -> Service:
    return Service(
        name="itvm",
        artifact=artifact,
        argv=argv,
        env=(("PATH", "/nowhere:/bin"), ("HOME", "/"), ("ODD", ODD)),
        workdir="/www",
        user=User(uid=4321, gid=4322, groups=(4323,), home="/"),
        port=8080,
        ready=Readiness(),
        limits=Limits(cpus=1, memory_mib=256),
        cpuset=frozenset({0}),
    )


def get(namespace: str, host: str, path: str, limit_s: float = LIMIT_S) -> tuple[int, bytes]:
    """The first response from inside the client's namespace."""
    deadline_ns = now_ns() + int(limit_s * NS_PER_S)
    while True:
        connection = http.client.HTTPConnection(host, 8080)
        try:
            connection.sock = _connect_in(namespace, host)
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            if now_ns() > deadline_ns:
                raise
        finally:
            connection.close()


def _connect_in(namespace: str, host: str) -> socket.socket:
    """A connection that belongs to another namespace: a socket stays in the one where it was made."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    other = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        assert libc.setns(other, 0x40000000) == 0
        made = socket.socket()
    finally:
        assert libc.setns(own, 0x40000000) == 0
        os.close(own)
        os.close(other)
    made.settimeout(0.5)
    try:
        made.connect((host, 8080))
    except OSError:
        made.close()
        raise
    made.settimeout(30)
    return made


def test_a_static_binary_alone_runs_as_told(artifact: Artifact, lab: BridgedLab, tmp_path: Path) -> None:
    clock = Stopwatch()
    at = lab.address("svc")
    argv = ("httpd", "-f", "-vv", "-p", "8080", "-h", "/www")
    assert lab.client_netns is not None
    with launch(VmTarget(), service(artifact, *argv), at, tmp_path, clock) as instance:
        assert get(lab.client_netns, str(at.ip), "/") == (200, b"hello from the guest\n")
        status, body = get(lab.client_netns, str(at.ip), "/cgi-bin/who")
        assert (status, body.decode().splitlines()) == (200, ["4321", "4322", "/www/cgi-bin", ODD])

        phases = clock.phases()
        assert list(phases)[:5] == ["defined", "vmm_running", "kernel", "user_space", "service_started"]
        assert instance.content_digest() == artifact.digest
        assert instance.accelerator in ("kvm", "tcg")

        assert "Linux version" in instance.logs()
        assert "url:/cgi-bin/who" in instance.logs()
        assert "served" in instance.logs(), "a service that opens /dev/stderr by name, as images of nginx do"
        assert [left.name for left in VmTarget().leftovers(PREFIX)] == [f"{at.prefix}-vm"]
    assert nothing_is_left(at.interface)


def test_a_killed_run_is_swept(artifact: Artifact, lab: BridgedLab, tmp_path: Path) -> None:
    at = lab.address("kill")
    instance = launch(VmTarget(), service(artifact, "httpd"), at, tmp_path)
    for leftover in VmTarget().leftovers(at.prefix):
        leftover.remove()
        leftover.remove()
    assert nothing_is_left(at.interface)
    instance.stop()


def test_a_machine_that_libvirt_refuses_leaves_nothing(artifact: Artifact, lab: BridgedLab, tmp_path: Path) -> None:
    at = replace(lab.address("bad"), bridge="tareitvm-no")
    with pytest.raises(DeployError) as caught:
        launch(VmTarget(), service(artifact, "httpd"), at, tmp_path)
    assert "tareitvm-no" in "".join(caught.value.notes)
    assert nothing_is_left(at.interface)


def nothing_is_left(interface: str) -> bool:
    found = [*domain_names(PREFIX), *links(interface), *(left.name for left in VmTarget().leftovers(PREFIX))]
    return not found
