from __future__ import annotations

import lzma
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.errors import BuildError, Unavailable
from harness.host.guest import initrd as guest_initrd
from harness.host.guest import kernel as guest_kernel

RELEASE = "6.1.0-1-cloud-amd64"


def module(*needs: str) -> bytes:
    return b"\x7fELF\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0vermagic=x\0"


def modules_folder(folder: Path, modules: dict[str, bytes], builtin: str = "kernel/fs/ext4/ext4.ko\n") -> Path:
    folder.mkdir(parents=True)
    (folder / "modules.builtin").write_text(builtin)
    for name, data in modules.items():
        (folder / name).write_bytes(data)
    return folder


ALL = {
    "virtio_pci.ko": module("virtio"),
    "virtio.ko": module("virtio_ring"),
    "virtio_ring.ko": module(),
    "virtio_blk.ko": module("virtio"),
    "virtio_net.ko.xz": lzma.compress(module("virtio", "net-failover")),
    "net_failover.ko": module(),
    "virtio_console.ko": module("virtio"),
}


def test_modules_come_after_what_they_need_and_builtin_ones_are_left_out(tmp_path: Path) -> None:
    order = list(guest_initrd.needed_modules(modules_folder(tmp_path / RELEASE, ALL)))
    assert order.index("virtio_ring") < order.index("virtio") < order.index("virtio_pci")
    assert order.index("net_failover") < order.index("virtio_net")
    assert "ext4" not in order
    assert len(order) == len(set(order)) == len(ALL)


def test_a_kernel_without_a_needed_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no module ext4"):
        guest_initrd.needed_modules(modules_folder(tmp_path / RELEASE, ALL, builtin=""))


def test_the_init_says_user_space_before_it_looks_for_a_launch() -> None:
    archive = guest_initrd.initrd(b"busybox", {"virtio": b"ko"}).decode()
    assert archive.index(guest_initrd.USER_SPACE) < archive.index("poweroff -f")
    assert "modules/virtio.ko" in archive


def test_the_concrete_package_is_found_and_its_absence_is_explained() -> None:
    depends = f"linux-image-cloud-amd64\n  Depends: linux-image-{RELEASE}\n"
    assert guest_kernel.concrete_package(depends) == f"linux-image-{RELEASE}"
    with pytest.raises(Unavailable) as caught:
        guest_kernel.concrete_package("linux-image-cloud-amd64\n")
    assert "apt-get update" in caught.value.remedy


@pytest.fixture
def fake_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Package tools that make what the packages would hold. Returns the cache."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("TARE_CACHE", str(cache))
    monkeypatch.setattr("shutil.which", lambda tool: f"/usr/bin/{tool}")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")

    def run(argv: Sequence[str], where: Path) -> str:
        if argv[0] == "apt-cache":
            return f"  Depends: linux-image-{RELEASE}\n"
        if argv[0] == "apt-get":
            (where / f"linux-image-{RELEASE}_1_amd64.deb").touch()
        else:
            tree = Path(argv[-1])
            modules_folder(tree / "lib/modules" / RELEASE, ALL)
            (tree / "bin").mkdir()
            (tree / "bin/busybox").write_bytes(b"busybox")
            (tree / "boot").mkdir()
            (tree / f"boot/vmlinuz-{RELEASE}").write_bytes(b"kernel")
        return ""

    monkeypatch.setattr(guest_kernel, "_run", run)
    return cache


@pytest.mark.usefixtures("fake_packages")
def test_the_kernel_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert guest_kernel.guest_kernel_if_built() is None
    built = guest_kernel.guest_kernel()
    assert built.kernel.read_bytes() == b"kernel"
    assert built.release == RELEASE
    assert (built.modules_tree / "virtio.ko").exists()
    monkeypatch.setattr(guest_kernel, "_run", None)
    assert guest_kernel.guest_kernel() == guest_kernel.guest_kernel_if_built() == built


def test_an_interrupted_build_leaves_no_half_entry(fake_packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(guest_initrd, "needed_modules", interrupted)
        with pytest.raises(KeyboardInterrupt):
            guest_kernel.guest_kernel()
    assert guest_kernel.guest_kernel_if_built() is None
    assert not [path for path in fake_packages.iterdir() if path.is_dir()]
    assert guest_kernel.guest_kernel().release == RELEASE
