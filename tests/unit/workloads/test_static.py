"""The origin of the workload ``static`` on the loopback interface, and its parts that need no connection."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from origin import connection, ranges
from origin.answers import Freshness, Origin
from origin.content import content, cut, pieces, unit
from origin.request import Refused, Request, parse
from origin.table import read_sizes

from harness.artifacts.builders.catalogue import catalogue_table
from tests.support.static_at import FOLDER, WORKLOAD, StaticAt, body_of
from tests.support.static_suite import CHECKS, Check
from tests.support.until import until

APP = FOLDER / "app"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Running:
    """An origin of its own process, with what it printed."""

    process: subprocess.Popen[bytes]
    at: StaticAt
    log: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("origin")
    table, log = folder / "catalogue.u32", folder / "log"
    assert WORKLOAD.catalogue is not None
    table.write_bytes(catalogue_table(WORKLOAD.catalogue))
    port = free_port()
    env = {"PYTHONPATH": str(APP), "ORIGIN_CATALOGUE": str(table), "ORIGIN_PORT": str(port)}
    with (
        log.open("wb") as output,
        subprocess.Popen([sys.executable, "-m", "origin"], env=env, stdout=output, stderr=output) as process,
    ):
        try:
            until(lambda: listens(port))
            yield Running(process, StaticAt("127.0.0.1", port), log)
        finally:
            process.kill()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_origin(running: Running, check: Check) -> None:
    check(running.at)


def test_clients_that_go_away_in_the_middle_leave_nothing_behind(running: Running) -> None:
    largest = int(np.argmax(running.at.catalogue.sizes))
    for read in (1, 1 << 20, 3 << 20):
        with running.at.client() as client:
            client.send(f"GET /objects/{largest} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            client.take(read)
    served = psutil.Process(running.process.pid)
    until(lambda: [each.status for each in served.net_connections("tcp")] == [psutil.CONN_LISTEN])


def test_it_is_small_says_nothing_and_ends_when_it_is_told_to(running: Running) -> None:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    peak_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak_kib < 64 * 1024, "after twenty clients that did not read the largest object"
    with running.at.client():
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(10) == 0
    assert running.log.read_text() == ""


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, "ORIGIN_CATALOGUE"),
        ({"ORIGIN_CATALOGUE": "/nowhere"}, "/nowhere"),
        ({"ORIGIN_CATALOGUE": os.devnull}, "no table of sizes"),
        ({"ORIGIN_CATALOGUE": str(FOLDER / "workload.toml"), "MAX_AGE_S": "-1"}, ""),
    ],
)
def test_what_it_cannot_work_with_is_said_in_a_line(env: dict[str, str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "origin"],
        env={"PYTHONPATH": str(APP), **env},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.startswith("origin: ")
    assert done.stderr.count("\n") == 1


@given(st.integers(0, 10**9), st.integers(0, 300_000), st.data())
def test_any_part_of_any_body_is_cut_from_its_unit(number: int, size: int, data: st.DataObject) -> None:
    path = f"/objects/{number}"
    start = data.draw(st.integers(0, size))
    end = data.draw(st.integers(start, size))
    whole = body_of(path, size)
    assert content(path, size) == whole
    assert cut(unit(path), start, end) == whole[start:end]
    parts = list(pieces(unit(path), start, end))
    assert b"".join(parts) == whole[start:end]
    assert all(0 < len(part) <= 65536 for part in parts)


@given(st.text(max_size=60) | st.from_regex(r"bytes=[0-9,\- ]{0,40}", fullmatch=True), st.integers(1, 10_000))
def test_ranges_never_ask_for_more_than_there_is(field: str, size: int) -> None:
    found = ranges.wanted(field, size)
    if found is not None:
        assert all(0 <= start < end <= size for start, end in found)
        assert sum(end - start for start, end in found) <= size
        assert len(found) <= ranges.MAX_RANGES


@settings(max_examples=300)
@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from([b"GET", b" ", b"/", b"HTTP/1.1", b"\r\n", b"Host:", b"a", b":", b"\n", b"\t"])).map(
        b"".join
    )
)
def test_whatever_arrives_is_understood_or_refused(head: bytes) -> None:
    with suppress(Refused):
        request = parse(head)
        assert request.target.isascii()
        assert not {"\r", "\n", " "} & set(request.target)
        assert request.method


def test_how_long_objects_are_fresh_is_the_environments() -> None:
    assert Freshness.of({}).directives == "public, max-age=3600"
    env = {"MAX_AGE_S": "5", "STALE_WHILE_REVALIDATE_S": "10", "STALE_IF_ERROR_S": "0"}
    said = "public, max-age=5, stale-while-revalidate=10, stale-if-error=0"
    assert Freshness.of(env).directives == said
    answer = Origin(array("I", [10]), Freshness.of(env)).answer(Request("GET", "/objects/0", {}, keep_alive=True))
    assert f"Cache-Control: {said}\r\n" in answer.head
    for wrong in ("-1", "1.5", "", "soon", "1e3"):
        with pytest.raises(ValueError, match="no number of seconds"):
            Freshness.of({"MAX_AGE_S": wrong})


def test_the_table_is_little_endian_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(bytes([1, 0, 0, 0, 0, 2, 0, 0]))
    assert list(read_sizes(path)) == [1, 512]
    path.write_bytes(b"12345")
    with pytest.raises(ValueError, match="5 bytes"):
        read_sizes(path)


def test_a_head_that_does_not_come_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_HEAD_TIMEOUT_S", 0.1)
    monkeypatch.setattr(connection, "_LINGER_S", 0.1)

    async def talk() -> tuple[bytes, bytes]:
        origin, date = Origin(array("I", [10])), connection.Date()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: connection.Connection(origin, date), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            (quiet, quiet_writer), (slow, slow_writer) = [
                await asyncio.open_connection("127.0.0.1", port) for _ in range(2)
            ]
            slow_writer.write(b"GET /objects/0 HTTP/1.1\r\nHost:")
            late = await slow.read()
            # One that is merely idle is left alone, and the other is gone, although its client did not close.
            quiet_writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            idle = await quiet.read()
            for writer in (quiet_writer, slow_writer):
                writer.close()
            return late, idle

    late, idle = asyncio.run(talk())
    assert late.startswith(b"HTTP/1.1 408 ")
    assert idle.startswith(b"HTTP/1.1 200 ")


def test_the_workload_file_says_what_the_issue_wants() -> None:
    assert WORKLOAD.sets["single"].counter == "/count"
    assert WORKLOAD.sets["single"].routes == {"/": "origin"}
    assert WORKLOAD.root_file_systems["main"].catalogue == "catalogue.u32"
    assert WORKLOAD.members["origin"].env["ORIGIN_CATALOGUE"] == "/app/catalogue.u32"
