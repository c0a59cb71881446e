from __future__ import annotations

import pytest

from harness.artifacts.api import User
from harness.artifacts.config import DEFAULT_PATH, resolve, resolve_user
from harness.artifacts.entry import EntryRecord
from harness.errors import SpecError
from harness.spec.service import ServiceSpec

PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/var/www:/bin/false\nbroken line\n1000:x:5:6::/n:\n"
GROUP = "root:x:0:\nweb:x:34:\naudio:x:29:other,web\nweb2:x:40:web\n"


@pytest.mark.parametrize(
    ("spec", "user"),
    [
        ("", User(0, 0, (), "/root")),
        ("web", User(33, 34, (29, 40), "/var/www")),
        ("33", User(33, 34, (29, 40), "/var/www")),
        ("web:audio", User(33, 29, (), "/var/www")),
        ("web:77", User(33, 77, (), "/var/www")),
        ("1234", User(1234, 0, (), "/")),
        ("1234:web", User(1234, 34, (), "/")),
        ("1000", User(5, 6, (), "/n")),
        ("web:", User(33, 34, (29, 40), "/var/www")),
        (":audio", User(0, 29, (), "/root")),
    ],
)
def test_users_as_docker_resolves_them(spec: str, user: User) -> None:
    assert resolve_user(spec, PASSWD, GROUP) == user


@pytest.mark.parametrize("spec", ["nobody", "web:nogroup", "99999999999", "-1"])
def test_an_unknown_user_is_refused(spec: str) -> None:
    with pytest.raises(SpecError):
        resolve_user(spec, PASSWD, GROUP)


def test_without_accounts_root_lives_at_the_root() -> None:
    assert resolve_user("", "", "") == User(0, 0, (), "/")


def record(**given: object) -> EntryRecord:
    plain = {"key": "k", "source": "image x", "digest": "sha256:0", "tar_bytes": 0, "inputs": {}}
    return EntryRecord.model_validate({**plain, **given})


def test_defaults() -> None:
    config = resolve(record(argv=("a", "b")))
    assert (config.argv, config.workdir, config.ports) == (("a", "b"), "/", ())
    assert dict(config.env) == {"PATH": DEFAULT_PATH, "HOME": "/"}


def test_the_service_overrides() -> None:
    image = record(
        argv=("entry", "cmd"),
        env=(("A", "1"), ("PATH", "/bin"), ("HOME", "/h")),
        workdir="srv//x/",
        user="1:2",
        ports=(9,),
    )
    kept = resolve(image, ServiceSpec(port=80))
    assert (kept.argv, kept.workdir, kept.user.gid, kept.ports) == (("entry", "cmd"), "/srv/x", 2, (80, 9))
    assert dict(kept.env) == {"A": "1", "PATH": "/bin", "HOME": "/h"}
    service = ServiceSpec(port=80, argv=("mine",), env={"A": "2", "B": "3"}, workdir="/w", user="7")
    config = resolve(image, service)
    assert (config.argv, config.workdir, config.user.uid) == (("mine",), "/w", 7)
    assert dict(config.env) == {"A": "2", "B": "3", "PATH": "/bin", "HOME": "/h"}


def test_nothing_to_run_is_refused() -> None:
    with pytest.raises(SpecError, match="image x says nothing"):
        resolve(record())
