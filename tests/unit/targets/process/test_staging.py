"""What a bare process is ordered to be without root, and what a tree occupies."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.lab.api import LabAddress
from harness.targets.process.staging import disk_usage, embedded_stage
from tests.unit.targets.vm.vm_service import service

LOOPBACK = LabAddress(prefix="tare-c-1-svc", ip=IPv4Address("127.0.0.1"))


def test_a_service_told_to_listen_everywhere_listens_on_loopback_alone() -> None:
    told = replace(service(), argv=("/bin/app", "--host", "::"), env=(("UVICORN_HOST", "0.0.0.0"), ("PORT", "80")))
    with ExitStack() as stack:
        order, group = embedded_stage(told, LOOPBACK, stack)
    assert group is None
    assert order["argv"] == ["/bin/app", "--host", "127.0.0.1"]
    assert order["env"] == {"UVICORN_HOST": "127.0.0.1", "PORT": "80"}
    assert order["cpuset"] == [1]


@given(st.lists(st.text(st.characters(exclude_characters="\0")).filter(lambda word: word not in ("0.0.0.0", "::"))))
def test_every_other_word_stays_as_it_is(words: list[str]) -> None:
    told = replace(service(), argv=tuple(words), env=tuple((f"V{index}", word) for index, word in enumerate(words)))
    with ExitStack() as stack:
        order, _ = embedded_stage(told, LOOPBACK, stack)
    assert order["argv"] == words
    assert list(order["env"].values()) == words


def test_a_tree_s_usage_counts_a_hard_linked_file_once(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(bytes(range(256)) * 400)
    before = disk_usage(tmp_path)
    assert before >= 256 * 400
    (tmp_path / "again").hardlink_to(tmp_path / "folder" / "file")
    assert disk_usage(tmp_path) == before
