"""What a connection comes to, and what a forward proxy says of a host that it must refuse."""

from __future__ import annotations

import socket
import threading

import pytest

from harness.errors import LoadError
from harness.probes import reach
from tests.support.web import Asked, reply, service


def refuse(asked: Asked) -> bytes:
    return reply(403 if asked.target == "http://198.19.255.254:80/" else 200, "")


FORBIDDEN = ("198.19.255.254", 80)


def test_an_open_port_is_connected_to_and_a_closed_one_is_refused() -> None:
    with service(refuse) as one:
        assert reach.connect("127.0.0.1", one.port, None) == reach.CONNECTED
    assert reach.connect("127.0.0.1", one.port, None) == "ECONNREFUSED"


def test_a_port_that_takes_no_connection_times_out() -> None:
    # Linux takes one more connection than the backlog; further ones get no answer.
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        socket.create_connection(full.getsockname()),
    ):
        assert reach.connect("127.0.0.1", full.getsockname()[1], None) == "timed out"


def test_the_proxy_is_asked_for_the_host_in_absolute_form_and_its_status_is_told() -> None:
    with service(refuse) as forward_proxy:
        place = ("127.0.0.1", forward_proxy.port)
        assert reach.status_through(place, FORBIDDEN, None) == 403
        assert reach.status_through(place, ("127.0.0.1", 8080), None) == 200
    assert [asked.target for asked in forward_proxy.asked] == ["http://198.19.255.254:80/", "http://127.0.0.1:8080/"]
    assert forward_proxy.asked[0].headers["host"] == "198.19.255.254:80"


def test_a_proxy_that_does_not_run_is_told() -> None:
    with service(refuse) as gone:
        pass
    with pytest.raises(LoadError, match=f"proxy at 127.0.0.1:{gone.port} gave no answer: ECONNREFUSED"):
        reach.status_through(("127.0.0.1", gone.port), FORBIDDEN, None)


@pytest.mark.parametrize("answer", [b"SSH-2.0-nonsense\r\n\r\n", b""])
def test_a_proxy_that_does_not_speak_http_is_told(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        talking = threading.Thread(target=talk)
        talking.start()
        place = ("127.0.0.1", listener.getsockname()[1])
        with pytest.raises(LoadError, match=f"proxy at 127.0.0.1:{place[1]} gave no answer: ") as caught:
            reach.status_through(place, FORBIDDEN, None)
        talking.join()
    assert "\n" not in caught.value.what


def test_a_proxy_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_LIMIT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(LoadError, match=r"took more than 0\.5 s"):
        reach.status_through(("127.0.0.1", silent.getsockname()[1]), FORBIDDEN, None)


def test_a_namespace_that_is_not_there_is_told() -> None:
    with pytest.raises(LoadError, match="The client's namespace cannot be asked: "):
        reach.connect("127.0.0.1", 1, "tare-no-such-namespace")
