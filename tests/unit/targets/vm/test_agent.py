from __future__ import annotations

import pytest

from harness.errors import DeployError
from harness.targets.vm.agent import parse_view

TEXT = """kernel_release=6.1.0-56-cloud-amd64
boot_id=b0
uptime_s=12.50
visible_processes=61
devices=120
hypervisor_bit=1
virtualisation=qemu
command=/lib/systemd/systemd
command=
command=python3 -m http.server
"""


def test_the_view_is_read_in_bytes() -> None:
    view = parse_view(TEXT, b"tare\0run\0")
    assert (view.kernel_release, view.boot_id, view.uptime_s) == ("6.1.0-56-cloud-amd64", "b0", 12.5)
    assert view.hypervisor_bit
    assert not view.sees_host_processes


def test_a_process_of_the_harness_would_be_seen() -> None:
    assert parse_view(TEXT, b"python3\0-m\0http.server\0").sees_host_processes


@pytest.mark.parametrize("text", ["", TEXT.replace("devices=120", "devices=many")])
def test_an_answer_that_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(DeployError, match="cannot be read"):
        parse_view(text, b"tare")
