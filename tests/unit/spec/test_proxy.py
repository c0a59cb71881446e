"""A proxy as an experiment asks for it, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ExitCode, SpecError
from harness.spec.files import experiment_of, read_experiment
from harness.spec.proxy import ProxySpec

GOOD = """
name = "good"
question = "What does a proxy cost?"
workload = "hello"
baseline = "process"
[matrix]
targets = ["process"]
proxies = ["direct", "nginx", "secure"]
[load]
rates_rps = [100]
[proxies.secure]
kind = "nginx"
tls = true
certificate = "proxy.pem"
"""


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    path = tmp_path / "benches" / "good.toml"
    path.parent.mkdir()
    path.write_text(GOOD)
    return path


def test_a_proxy_without_a_table_is_of_the_kind_of_its_name(bench: Path) -> None:
    found = read_experiment(bench)
    assert found.proxy("direct") is None
    assert found.proxy("nginx") == ProxySpec(kind="nginx")
    secure = found.proxy("secure")
    assert secure is not None
    assert (secure.kind, secure.tls, secure.balance, secure.keepalive) == ("nginx", True, "round-robin", 32)
    assert [variant.name for variant in found.variants] == ["process", "process-nginx", "process-secure"]


def test_a_certificate_is_looked_for_beside_the_experiment(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    secure = read_experiment(bench).proxy("secure")
    assert secure is not None
    assert secure.certificate == str(bench.resolve().parent / "proxy.pem")


@pytest.mark.parametrize(
    ("old", "new", "key", "allowed"),
    [
        ("tls = true", "tsl = true", "proxies.secure.tsl is not a known key", "allow, balance, cache, certificate"),
        ('kind = "nginx"', "", "proxies.secure.kind is missing", ""),
        ('kind = "nginx"', 'kind = "../nginx"', "proxies.secure.kind", "what matches ^[a-z0-9]"),
        ("tls = true", 'tls = "yes"', "proxies.secure.tls: input should be a valid boolean (given: 'yes')", ""),
        ("tls = true", "", "proxies.secure: a certificate belongs to tls = true", ""),
        ("tls = true", "tls = true\nkeepalive = -1", "proxies.secure.keepalive", "at least 0, at most 1024"),
        ("tls = true", "max_fails = 101", "proxies.secure.max_fails", "at most 100"),
        ("tls = true", "fail_timeout_s = 0", "proxies.secure.fail_timeout_s", "more than 0"),
        ("tls = true", 'balance = "random"', "proxies.secure.balance", "'round-robin' or 'least-connections'"),
        ("[proxies.secure]", "[proxies]\nkind = 3\n[proxies.secure]", "proxies.kind", "Correct the value."),
        ("[proxies.secure]", "[proxies.direct]", "proxies.direct cannot be set", "there is no proxy"),
    ],
)
def test_a_mistake_is_named_by_file_key_and_what_is_allowed(
    bench: Path, old: str, new: str, key: str, allowed: str
) -> None:
    assert old in GOOD
    bench.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        read_experiment(bench)
    assert caught.value.what.startswith(f"{bench}: ")
    assert key in caught.value.what
    assert allowed in f"{caught.value.what} {caught.value.remedy}"
    assert "\n" not in caught.value.what + caught.value.remedy
    assert caught.value.remedy
    assert caught.value.exit_code is ExitCode.USAGE


def test_without_a_certificate_nothing_is_looked_for() -> None:
    data = {
        "name": "x", "question": "?", "workload": "w", "baseline": "p-n", "load": {"rates_rps": [1]},
        "matrix": {"targets": ["p"], "proxies": ["n"]}, "proxies": {"n": {"kind": "nginx", "tls": True}},
    }  # fmt: skip
    proxy = experiment_of("here", data).proxy("n")
    assert proxy is not None
    assert proxy.certificate is None
