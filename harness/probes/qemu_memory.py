"""Which part of QEMU's memory is the guest's RAM, and which the emulator's cache of translated code."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.units import KIB, MIB

_HEADER = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+\s*(.*)")
_RAM_NAMES = re.compile(r"memory-backend-|/memfd:pc\.ram|/memfd:mach-virt\.ram|/libvirt/qemu/ram/")
_CACHE_NAME = "/memfd:tcg-jit"
_UNITS = {"": MIB, "k": KIB, "m": MIB, "g": 1024 * MIB, "t": 1024 * 1024 * MIB}


@dataclass(frozen=True, slots=True)
class QemuParts:
    """PSS in bytes: the guest's RAM that is resident, and the code that TCG has translated."""

    guest_ram: int
    translation_cache: int


@dataclass(frozen=True, slots=True)
class _Mapping:
    size: int
    permissions: str
    name: str
    pss: int


def parts(pid: int, proc: Path = Path("/proc")) -> QemuParts | None:
    """The parts of a running QEMU, or None if it has ended.

    The guest's RAM is the mapping of a memory backend's name, else of exactly the size that the command line says, else
    the largest writable one. The cache is every anonymous mapping that is writable and executable at once (QEMU splits
    its buffer into regions with a guard page after each), or, where that is forbidden, the file that stands for both.
    """
    try:
        arguments = (proc / str(pid) / "cmdline").read_text(errors="replace").split("\0")
        mappings = list(_mappings((proc / str(pid) / "smaps").read_text(errors="replace")))
    except (FileNotFoundError, ProcessLookupError):
        return None
    cache = [each for each in mappings if _CACHE_NAME in each.name or (not each.name and each.permissions[:3] == "rwx")]
    writable = [each for each in mappings if each.permissions[:3] == "rw-"]
    ram = [each for each in writable if _RAM_NAMES.search(each.name)]
    if not ram:
        size = guest_memory_bytes(arguments)
        ram = [each for each in writable if each.size == size] or sorted(writable, key=lambda each: each.size)[-1:]
    return QemuParts(sum(each.pss for each in ram), sum(each.pss for each in cache))


def guest_memory_bytes(arguments: Sequence[str]) -> int | None:
    """What ``-m`` says, in bytes: ``512``, ``1G``, ``size=524288k,slots=…``. None without it."""
    for option, value in itertools.pairwise(arguments):
        if option == "-m" and (match := re.match(r"(?:size=)?(\d+)([kmgtKMGT]?)[bB]?(?:,|$)", value)):
            return int(match[1]) * _UNITS[match[2].lower()]
    return None


def _mappings(smaps: str) -> Iterator[_Mapping]:
    header: re.Match[str] | None = None
    for line in smaps.splitlines():
        if found := _HEADER.fullmatch(line):
            header = found
        elif line.startswith("Pss:") and header is not None:
            size = int(header[2], 16) - int(header[1], 16)
            yield _Mapping(size, header[3], header[4].strip(), int(line.split()[1]) * KIB)
