"""What the guest's operating system is: Debian with systemd, trimmed to what carries one service.

Every trial boots it, so what a server image would have for people and for hardware is left out. Trimmed, the same guest
answers under emulation after about 10 s; as mmdebstrap leaves it, after 15 s (both one vCPU, on one quiet core). It
stays Debian's own kernel, systemd, udev, journald, sysctl, sysusers, tmpfiles and guest agent, with no file of theirs
changed: everything is done by links to /dev/null, which is how an administrator masks a unit, and by modprobe's
blacklist. Mitigations stay as the kernel chooses them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.host.guest.initrd import LOG

PACKAGES = ("kmod", "qemu-guest-agent", "systemd-sysv", "udev")

WORKLOAD_UNIT = "tare-workload.service"
LOG_UNIT = "tare-log.service"
LOG_PORT = "/dev/vport*p1"
"""The first port of the only virtio-serial controller, whose number is its place among the virtio devices."""

ENDED = "/usr/lib/tare/ended"
INSIDE = "/usr/lib/tare/inside"

_NO_LOGIN = (
    *("getty.target", "systemd-logind.service", "systemd-user-sessions.service", "systemd-ask-password-console.path"),
    *("systemd-ask-password-wall.path", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service"),
)
_NO_UPKEEP = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("e2scrub_reap.service", "systemd-tmpfiles-clean.timer", "systemd-random-seed.service"),
    *("systemd-journal-flush.service", "systemd-firstboot.service", "systemd-machine-id-commit.service"),
    "systemd-pstore.service",
)
_NO_SUCH_HARDWARE_OR_USE = (
    *("modprobe@configfs.service", "modprobe@dm_mod.service", "modprobe@drm.service", "modprobe@efi_pstore.service"),
    *("modprobe@fuse.service", "modprobe@loop.service", "systemd-modules-load.service", "systemd-binfmt.service"),
    *("proc-sys-fs-binfmt_misc.automount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount"),
    *("sys-kernel-config.mount", "sys-fs-fuse-connections.mount", "dev-hugepages.mount", "systemd-initctl.socket"),
    *("cryptsetup.target", "integritysetup.target", "veritysetup.target", "remote-fs.target"),
    *("systemd-repart.service", "systemd-pcrphase.service", "systemd-pcrphase-sysinit.service"),
    *("kmod-static-nodes.service", "systemd-remount-fs.service"),
)
MASKED_UNITS = (*_NO_LOGIN, *_NO_UPKEEP, *_NO_SUCH_HARDWARE_OR_USE)
"""The last one because the initial RAM file system mounts the root writable at once."""

MASKED_GENERATORS = (
    *("cryptsetup", "debug", "fstab", "getty", "gpt-auto", "hibernate-resume", "integritysetup", "rc-local", "run"),
    *("system-update", "sysv", "veritysetup"),
)

BLACKLISTED_MODULES = (
    *("aesni_intel", "ata_generic", "ata_piix", "crc32_pclmul", "crc32c_intel", "crct10dif_pclmul", "evdev"),
    *("ghash_clmulni_intel", "i2c_piix4", "kvm_amd", "kvm_intel", "mousedev", "pcspkr", "powernow_k8", "psmouse"),
    *("qemu_fw_cfg", "serio_raw", "sha1_ssse3", "sha256_ssse3", "sha512_ssse3"),
)
"""What udev would load for parts of the machine that nobody here uses: the old disk controller, the keyboard, virtual
machines inside this one, and instructions for ciphers of the kernel's. An emulated guest loads them for 4 s, while the
service starts."""

_LOG_SERVICE = f"""[Unit]
Description=Passes what the service prints on to the host
DefaultDependencies=no
Before={WORKLOAD_UNIT}

[Service]
Type=simple
ExecStart=/bin/sh -c 'set -- {LOG_PORT}; exec cat 0<>{LOG} >"$$1"'
"""
_AGENT_AFTER = f"[Unit]\nAfter={WORKLOAD_UNIT}\n"

_ENDED = """#!/bin/sh
# The service's main process has ended: say so where its own words went, in order.
printf '\\n%s %s %s %s\\n' "$1" "${SERVICE_RESULT:-unknown}" "${EXIT_CODE:-unknown}" "${EXIT_STATUS:-unknown}"
"""
_INSIDE = """#!/bin/sh
echo "kernel_release=$(uname -r)"
echo "boot_id=$(cat /proc/sys/kernel/random/boot_id)"
read -r uptime _ </proc/uptime
echo "uptime_s=$uptime"
set -- /proc/[0-9]*
echo "visible_processes=$#"
set -- /dev/*
echo "devices=$#"
grep -qw hypervisor /proc/cpuinfo && echo hypervisor_bit=1 || echo hypervisor_bit=0
echo "virtualisation=$(systemd-detect-virt)"
for file in /proc/[0-9]*/cmdline; do
    echo "command=$(tr '\\0' ' ' <"$file" 2>/dev/null)"
done
"""


def configure(tree: Path) -> None:
    """Make a freshly bootstrapped tree the guest: mask, add our few small files, give it a name and an id."""
    units = tree / "etc/systemd/system"
    generators = tree / "etc/systemd/system-generators"
    generators.mkdir(parents=True, exist_ok=True)
    masked = [units / unit for unit in MASKED_UNITS]
    masked += [generators / f"systemd-{generator}-generator" for generator in MASKED_GENERATORS]
    for path in masked:
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/null")
    (units / LOG_UNIT).write_text(_LOG_SERVICE, "utf-8")
    drop_in = units / "qemu-guest-agent.service.d/tare.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(_AGENT_AFTER, "utf-8")
    for name, text in ((ENDED, _ENDED), (INSIDE, _INSIDE)):
        script = tree / name.lstrip("/")
        script.parent.mkdir(mode=0o755, exist_ok=True)
        script.write_text(text, "utf-8")
        script.chmod(0o755)
    blacklist = tree / "etc/modprobe.d/tare.conf"
    blacklist.parent.mkdir(exist_ok=True)
    blacklist.write_text("".join(f"blacklist {module}\n" for module in BLACKLISTED_MODULES), "utf-8")
    (tree / "etc/hostname").write_text("tare-guest\n", "utf-8")
    # A fixed id, or the first boot's work would be part of every start.
    (tree / "etc/machine-id").write_text(hashlib.sha256(b"tare guest").hexdigest()[:32] + "\n", "utf-8")
    for folder in ("etc", "var"):
        (tree / folder / ".updated").touch()


def fingerprint() -> str:
    """Changes whenever ``configure`` would give another guest."""
    trimmed = (PACKAGES, MASKED_UNITS, MASKED_GENERATORS, BLACKLISTED_MODULES)
    added = (_LOG_SERVICE, _AGENT_AFTER, _ENDED, _INSIDE)
    return hashlib.sha256(repr((trimmed, added)).encode()).hexdigest()
