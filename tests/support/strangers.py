"""Somebody else's container, network, virtual machine and namespace, with names that come close to ours."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

_DOMAIN = """<domain type="qemu"><name>{name}</name><memory unit="MiB">64</memory><vcpu>1</vcpu>
<os><type arch="x86_64" machine="pc">hvm</type></os><on_crash>destroy</on_crash>
<devices><controller type="usb" model="none"/><memballoon model="none"/></devices></domain>"""


@dataclass(frozen=True, slots=True)
class Strangers:
    """Names of what is not ours."""

    container: str
    network: str
    domain: str
    link: str
    namespace: str

    def state(self) -> tuple[str, ...]:
        """The processes of the first two and the presence of the rest. Fails if one of them is gone or has ended."""
        asked = ("docker", "inspect", "--format", "{{.State.Running}} {{.State.Pid}} {{.RestartCount}}", self.container)
        return (
            _said(*asked),
            _said("docker", "network", "inspect", "--format", "{{.Id}}", self.network),
            _said("virsh", "domstate", self.domain),
            _qemu_pid(self.domain),
            _said("ip", "-o", "link", "show", self.link).split(":")[0],
            str(Path("/run/netns", self.namespace).stat().st_ino),
        )


@contextmanager
def strangers(image: str, folder: Path) -> Iterator[Strangers]:
    """They live as long as the context. The machine is of 64 MiB and has nothing to boot from."""
    tag = secrets.token_hex(3)
    them = Strangers(f"tare-like-{tag}", f"tare-like-{tag}", f"tare-like-{tag}", f"tare{tag}x0", f"tarelike-{tag}")
    xml = folder / "stranger.xml"
    xml.write_text(_DOMAIN.format(name=them.domain), "utf-8")
    with ExitStack() as stack:
        made = (
            (("docker", "network", "create", them.network), ("docker", "network", "rm", them.network)),
            (
                ("docker", "run", "-d", "--name", them.container, "--network", them.network, image, "sleep", "3600"),
                ("docker", "rm", "-f", them.container),
            ),
            (("virsh", "create", str(xml)), ("virsh", "destroy", them.domain)),
            (("ip", "link", "add", them.link, "type", "bridge"), ("ip", "link", "del", them.link)),
            (("ip", "netns", "add", them.namespace), ("ip", "netns", "del", them.namespace)),
        )
        for make, remove in made:
            _said(*make)
            stack.callback(_said, *remove)
        yield them


def _qemu_pid(domain: str) -> str:
    return Path("/run/libvirt/qemu", f"{domain}.pid").read_text()


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
