"""The lab with regions: what a distance does to packets, handshakes and transfers, and that nothing goes past it."""

from __future__ import annotations

import hashlib
import math
import os
import secrets
import signal
import socket
import statistics
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from harness.clock import NS_PER_MS, NS_PER_S, Stopwatch, now_ns, sleep_until_ns
from harness.errors import DeployError
from harness.lab import forwarding, namespace, rtt
from harness.lab.api import LabAddress
from harness.lab.bridged import links, make_host
from harness.lab.precedence import precedence
from harness.lab.regional import RegionalLab
from harness.spec.geography import Geography
from harness.spec.topology import SERVICE
from harness.sweep import leftovers
from harness.targets.api import Instance
from harness.targets.container import ContainerTarget
from tests.support import hello
from tests.support.deploy import regional_lab
from tests.support.netns_sockets import connect_ms, socket_in
from tests.support.until import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

RTT_MS = 80.0
NEAR, FAR = "near", "far"
CORE_CPUS = hello.CPUS.service


def geography(rtt_ms: float = RTT_MS, **far: float) -> Geography:
    return Geography.model_validate(
        {"regions": {NEAR: {}, FAR: far}, "links": [{"between": (NEAR, FAR), "rtt_ms": rtt_ms}], "origin": FAR}
    )


@contextmanager
def lab_with_host(rtt_ms: float = RTT_MS, **far: float) -> Iterator[tuple[RegionalLab, LabAddress, str]]:
    """A lab of two regions, with a host in the far one: its address and its namespace."""
    with regional_lab("regions", geography(rtt_ms, **far), CORE_CPUS) as lab, ExitStack() as stack:
        at = lab.address("host", region=FAR)
        home = make_host(at, stack)
        assert home is not None
        yield lab, at, home


@contextmanager
def listening(home: str, at: LabAddress) -> Iterator[socket.socket]:
    with socket_in(home) as server:
        server.bind((str(at.ip), 0))
        server.listen(64)
        yield server


def test_echoes_and_connects_take_the_distance() -> None:
    with lab_with_host() as (lab, at, home), listening(home, at) as server:
        near, far = lab.measure_rtts({"host": at.ip})
        port = server.getsockname()[1]
        with precedence():
            connects = [connect_ms(lab.clients[NEAR], str(at.ip), port) for _ in range(20)]
            within = [connect_ms(lab.clients[FAR], str(at.ip), port) for _ in range(5)]
    print(f"{near}\nconnects: {min(connects):.2f} {statistics.median(connects):.2f} {max(connects):.2f} ms")
    assert (near.region, near.host, near.asked_ms, near.echoes) == (NEAR, "host", RTT_MS, 100)
    assert RTT_MS <= near.median_ms < RTT_MS + 1
    assert (far.region, far.asked_ms) == (FAR, 0)
    assert far.median_ms < 1
    assert min(connects) >= RTT_MS
    assert statistics.median(connects) < RTT_MS + 1
    assert statistics.median(within) < 1
    assert lab.core.report().dropped == 0


MSS = 1448
"""1,500 bytes less the headers of IP and TCP, with TCP's time stamps."""

INITIAL_WINDOW = 10
"""Segments, RFC 6928."""


def round_trips(size: int) -> int:
    """How many a transfer of ``size`` bytes takes from the connect to its last byte, by slow start alone.

    One for the handshake, then one for each window: the initial one, and each twice the one before, since every
    segment that is acknowledged opens the window by one.
    """
    left, window, count = math.ceil(size / MSS), INITIAL_WINDOW, 1
    while left > 0:
        left, window, count = left - window, window * 2, count + 1
    return count


def test_a_transfer_takes_the_round_trips_of_slow_start() -> None:
    """By Reno, whose slow start is the plain one: CUBIC's may end early (HyStart), and BBR paces by its own model.

    The receiver's buffer is large from the start, so its window never limits, and the connection is new, so no idle
    time resets the sender's. What arrives is compared: no frame may be longer than a wire's or lack its checksum.
    """
    data = secrets.token_bytes(1_000_000)
    sent: dict[str, int] = {}

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)  # the end of the other's: all of ours has arrived
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            sent["mss"], sent["again"] = struct.unpack_from("I", info, 16)[0], struct.unpack_from("I", info, 100)[0]

    with lab_with_host() as (lab, at, home), listening(home, at) as server, socket_in(lab.clients[NEAR]) as client:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        client.settimeout(30)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        begin_ns = now_ns()
        client.connect(server.getsockname())
        got = bytearray()
        while chunk := client.recv(1 << 20):
            got += chunk
            end_ns = now_ns()
        client.close()
        thread.join(30)
        core = lab.core.report()
    took = (end_ns - begin_ns) / NS_PER_MS / RTT_MS
    print(f"{took:.2f} round trips, {round_trips(len(data))} expected; {core}")
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
    assert sent == {"mss": MSS, "again": 0}
    assert abs(took - round_trips(len(data))) <= 1
    assert (core.dropped, core.lost) == (0, 0)


ECHOES_AT_ONCE = 50
"""Paths that take turns, each with an echo every 10 ms: 5,000 echoes a second, 10,000 packets through the core."""


def test_ten_thousand_packets_a_second_are_less_than_a_millisecond_late() -> None:
    with lab_with_host() as (lab, at, _):
        paths = [rtt.Path(NEAR, f"host{number}", at.ip, RTT_MS) for number in range(ECHOES_AT_ONCE)]
        before, begin_ns = lab.core.report(), now_ns()
        found = rtt.round_trips(lab.clients, paths, 300)
        end_ns, core = now_ns(), lab.core.report()
    errors_ms = sorted(each / NS_PER_MS - RTT_MS for rtts_ns in found for each in rtts_ns)
    p99 = errors_ms[math.ceil(0.99 * len(errors_ms)) - 1]
    seconds = (end_ns - begin_ns) / NS_PER_S - 2 * RTT_MS / 1000
    rate = (core.packets - before.packets) / seconds
    busy = (core.cpu_ns - before.cpu_ns) / (end_ns - begin_ns)
    print(
        f"{rate:.0f} packets/s, error p50 {statistics.median(errors_ms):.3f}, p99 {p99:.3f}, max {errors_ms[-1]:.3f} ms"
    )
    print(f"core: {busy:.0%} of its CPU, p99 late {core.late_p99_ns / 1000:.0f} us, realtime {lab.core.realtime}")
    assert len(errors_ms) == ECHOES_AT_ONCE * 300
    assert rate > 9_900
    assert errors_ms[0] >= 0
    assert p99 < 1
    assert (core.dropped, core.lost) == (0, 0)
    assert core.late_p99_ns < NS_PER_MS


def test_datagrams_keep_their_order_at_that_rate() -> None:
    count, gap_ns = 24_000, NS_PER_S // 12_000
    numbers: list[int] = []
    with lab_with_host() as (lab, at, home), ExitStack() as stack:
        receiver = stack.enter_context(socket_in(home, socket.SOCK_DGRAM))
        sender = stack.enter_context(socket_in(lab.clients[NEAR], socket.SOCK_DGRAM))
        receiver.bind((str(at.ip), 9999))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receiver.settimeout(2)

        def receive() -> None:
            while len(numbers) < count:
                numbers.append(int.from_bytes(receiver.recv(64), "big"))

        stack.enter_context(precedence())
        thread = threading.Thread(target=receive)
        thread.start()
        begin_ns = now_ns()
        for number in range(count):
            # A thread that slept for each would wake too late for such a rate: it makes up for it at once.
            sleep_until_ns(begin_ns + number * gap_ns)
            sender.sendto(number.to_bytes(4, "big"), (str(at.ip), 9999))
        rate = count / ((now_ns() - begin_ns) / NS_PER_S)
        thread.join(10)
        core = lab.core.report()
    print(f"{rate:.0f} datagrams/s, {core}")
    assert numbers == list(range(count))
    assert rate > 10_000
    assert core.dropped == 0


def test_a_rate_spreads_what_comes_at_once() -> None:
    """200 frames of 1,042 bytes at 8 Mbit/s: 1.042 ms each."""
    count, apart_ms = 200, 1.042
    with lab_with_host(rate_mbit=8) as (lab, at, home), ExitStack() as stack:
        receiver = stack.enter_context(socket_in(home, socket.SOCK_DGRAM))
        sender = stack.enter_context(socket_in(lab.clients[NEAR], socket.SOCK_DGRAM))
        receiver.bind((str(at.ip), 9999))
        receiver.settimeout(5)
        stack.enter_context(precedence())
        for _ in range(count):
            sender.sendto(bytes(1000), (str(at.ip), 9999))
        come_ns = []
        for _ in range(count):
            receiver.recv(2000)
            come_ns.append(now_ns())
        core = lab.core.report()
    assert (come_ns[-1] - come_ns[0]) / NS_PER_MS == pytest.approx((count - 1) * apart_ms, rel=0.02)
    assert (core.dropped, core.lost) == (0, 0)


def test_a_loss_holds_in_both_directions_and_is_counted() -> None:
    """An echo passes the far region's access twice, so 0.9 x 0.9 come back: 4,050 of 5,000, standard deviation 28."""
    with lab_with_host(loss=0.1) as (lab, at, _):
        paths = [rtt.Path(NEAR, f"host{number}", at.ip, RTT_MS) for number in range(25)]
        before = lab.core.report()
        back = sum(map(len, rtt.round_trips(lab.clients, paths, 200)))
        core = lab.core.report()
    # Of the 25 echoes that come first, and are not in ``back``, some are lost as well.
    assert 0 <= core.lost - before.lost - (5_000 - back) <= 25
    assert abs(back - 4_050) < 5 * 28
    assert core.dropped == 0


def test_a_host_that_does_not_answer_is_named() -> None:
    with lab_with_host() as (lab, at, _), pytest.raises(DeployError, match=r"near gets no answer from nobody"):
        lab.measure_rtts({"host": at.ip, "nobody": at.ip + 7}, echoes=1)


@contextmanager
def container(lab: RegionalLab, region: str, scratch: Path) -> Iterator[Instance]:
    """The hello workload in a region, once its own region's client can connect."""
    target, artifact = ContainerTarget(), hello.build()
    target.prepare(artifact)
    scratch.mkdir()
    at = lab.address(f"svc-{region}", region=region)
    with target.launch(hello.service(artifact), at, Stopwatch(), scratch) as instance:
        until(lambda: accepts(at))
        yield instance


def accepts(at: LabAddress) -> bool:
    assert at.client is not None
    try:
        connect_ms(at.client, str(at.ip), hello.WORKLOAD.members[SERVICE].port)
    except OSError:
        return False
    return True


def test_containers_and_a_process_reach_each_other_over_the_distance_only(tmp_path: Path) -> None:
    """The engine has a network of its own for each region, and keeps internal networks apart: not these."""
    port = hello.WORKLOAD.members[SERVICE].port
    with regional_lab("regions", geography(), CORE_CPUS) as lab, ExitStack() as stack:
        host = lab.address("host", region=NEAR)
        home = make_host(host, stack)
        assert home is not None
        with container(lab, FAR, tmp_path / "far") as far, container(lab, NEAR, tmp_path / "near") as near:
            for where, what, distance_ms in (
                (home, far, RTT_MS),
                (home, near, 0),
                (lab.clients[FAR], near, RTT_MS),
                (inside(far), near, RTT_MS),
                (inside(near), far, RTT_MS),
            ):
                with precedence():
                    took_ms = [connect_ms(where, str(what.address.ip), port) for _ in range(5)]
                assert distance_ms <= statistics.median(took_ms) < distance_ms + 1.5, (where, took_ms)
            far.kill()
            far.start_again(Stopwatch())
            until(lambda: accepts(far.address))
            assert connect_ms(inside(near), str(far.address.ip), port) >= RTT_MS
        rtts = {record.region: record.median_ms for record in lab.measure_rtts({"host": host.ip}, echoes=10)}
    assert rtts[NEAR] < 1
    assert RTT_MS <= rtts[FAR] < RTT_MS + 1


def inside(instance: Instance) -> str:
    """The network namespace of an instance."""
    return f"/proc/{instance.processes()[0].pid}/ns/net"


def test_nothing_is_left_of_it() -> None:
    with lab_with_host() as (lab, _, _):
        core = Path(f"/proc/{lab.core.pid}")
        ours = links(f"tare{lab.tag}")
        assert len(ours) == 7  # a bridge, a client's and a device for each region; the host's
        assert len([name for name in forwarding.bridges_with_rule("tare") if name in ours]) == 2
    assert not core.exists()
    assert links(f"tare{lab.tag}") == []
    assert [name for name in namespace.names() if name.startswith(lab.prefix)] == []
    assert [name for name in forwarding.bridges_with_rule("tare") if name in ours] == []


def test_a_core_that_ends_is_told() -> None:
    with regional_lab("regions", geography()) as lab:
        os.kill(lab.core.pid, signal.SIGKILL)
        until(lambda: not links(f"tare{lab.tag}-t"))
        with pytest.raises(DeployError, match="core that joins the regions has ended"):
            lab.core.report()
    assert links(f"tare{lab.tag}") == []


def test_a_core_that_ended_unnoticed_fails_the_lab() -> None:
    with ExitStack() as stack:
        lab = stack.enter_context(regional_lab("regions", geography()))
        os.kill(lab.core.pid, signal.SIGKILL)
        with pytest.raises(DeployError, match="core that joins the regions has ended"):
            stack.close()
    assert links(f"tare{lab.tag}") == []


KILLED = """
import sys, time
from tests.integration.test_regions import geography, regional_lab
with regional_lab("regions", geography()) as lab:
    print(lab.tag, lab.prefix, lab.core.pid, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_run_leaves_is_found_and_removed() -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        tag, prefix, pid = process.stdout.readline().split()
        process.kill()
    until(lambda: not Path(f"/proc/{pid}").exists())
    until(lambda: not links(f"tare{tag}-t"))
    assert links(f"tare{tag}") != []
    for found in leftovers([]):
        if f"tare{tag}" in found.name or prefix in found.name:
            found.remove()
    assert links(f"tare{tag}") == []
    assert [name for name in namespace.names() if name.startswith(prefix)] == []
    assert [bridge for bridge in forwarding.bridges_with_rule("tare") if tag in bridge] == []


def test_the_first_packet_waits_for_no_question_of_who_has_the_address() -> None:
    """The core answers it, so a first connect takes one round trip as well."""
    with lab_with_host() as (lab, at, home), listening(home, at) as server:
        first_ms = connect_ms(lab.clients[NEAR], str(at.ip), server.getsockname()[1])
    assert RTT_MS <= first_ms < RTT_MS + 5
