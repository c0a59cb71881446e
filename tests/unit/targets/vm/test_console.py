from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.clock import Stopwatch
from harness.host.guest.initrd import FAILED, USER_SPACE
from harness.targets.vm.console import VmConsole

TOKEN = "tare-ended-1"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


class Machine:
    """Both ends: the harness's console, and sockets in QEMU's place."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.clock = Stopwatch()
        self.clock.start()
        scratch = folder / "scratch"
        scratch.mkdir()
        self.console = VmConsole(folder, scratch, TOKEN, (os.geteuid(), os.getegid()))
        self.console.clock = self.clock
        stack.callback(self.console.close)
        self.serial, self.log = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))

    def say(self, serial: tuple[bytes, ...] = (), log: tuple[bytes, ...] = ()) -> None:
        """Everything that QEMU writes from its start to its end."""
        self.serial.connect(str(self.console.console_socket))
        self.log.connect(str(self.console.log_socket))
        for end, parts in ((self.serial, serial), (self.log, log)):
            for part in parts:
                end.sendall(part)
            end.close()
        self.console.close()


def test_phases_are_stamped_in_the_order_of_the_guests_words(tmp_path: Path, stack: ExitStack) -> None:
    machine = Machine(tmp_path, stack)
    status = b"[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mtare-workload.service\x1b[0m - The workload.\r\n"
    machine.say(serial=(b"Linux version 6.1\r\n", f"{USER_SPACE}\r\n".encode(), status[:30], status[30:]))
    assert list(machine.clock.phases()) == ["vmm_running", "kernel", "user_space", "service_started"]
    assert machine.console.ended is None


def test_a_machine_that_only_starts_stamps_no_more(tmp_path: Path, stack: ExitStack) -> None:
    machine = Machine(tmp_path, stack)
    machine.say()
    assert list(machine.clock.phases()) == ["vmm_running"]


def test_no_byte_is_lost_and_the_services_words_come_last(tmp_path: Path, stack: ExitStack) -> None:
    machine = Machine(tmp_path, stack)
    machine.say(serial=(b"boot\r\n",), log=tuple(b"line %d\n" % number for number in range(2000)))
    text = machine.console.text().splitlines()
    assert text == ["boot", *(f"line {number}" for number in range(2000))]


def test_the_end_of_the_service_is_seen_and_its_mark_is_not_shown(tmp_path: Path, stack: ExitStack) -> None:
    machine = Machine(tmp_path, stack)
    machine.say(log=(b"no such table\n", f"\n{TOKEN} exit-co".encode(), b"de exited 3\n"))
    assert machine.console.ended == "the service ended: exit-code exited 3"
    assert machine.console.text().splitlines()[-1] == "(the service ended: exit-code exited 3)"
    assert TOKEN not in machine.console.text()


def test_a_guest_that_cannot_start_says_why(tmp_path: Path, stack: ExitStack) -> None:
    machine = Machine(tmp_path, stack)
    machine.say(serial=(f"{FAILED}workload disk\r\n".encode(),))
    assert machine.console.ended == "the guest could not start: workload disk"


def test_closing_twice_and_without_qemu_is_fine_and_leaves_no_socket(tmp_path: Path, stack: ExitStack) -> None:
    machine = Machine(tmp_path, stack)
    machine.console.close()
    machine.console.close()
    assert not list(tmp_path.glob("*.sock"))


def test_a_later_boot_goes_on_in_the_same_files_with_phases_and_an_end_of_its_own(
    tmp_path: Path, stack: ExitStack
) -> None:
    machine = Machine(tmp_path, stack)
    machine.say(serial=(b"first boot\r\n", f"{USER_SPACE}\r\n".encode()), log=(f"\n{TOKEN} success\n".encode(),))
    assert machine.console.ended
    clock = Stopwatch()
    clock.start()
    again = VmConsole(tmp_path, tmp_path / "scratch", TOKEN, (os.geteuid(), os.getegid()))
    again.clock = clock
    stack.callback(again.close)
    assert again.ended is None
    with socket.socket(socket.AF_UNIX) as serial:
        serial.connect(str(again.console_socket))
        serial.sendall(b"second boot\r\n")
    again.close()
    assert list(clock.phases()) == ["vmm_running", "kernel"]
    assert again.text().splitlines() == ["first boot", USER_SPACE, "second boot"]
