"""The lab's accept rule, against an iptables that only keeps lists."""

from __future__ import annotations

import shutil

import pytest

from harness.lab import forwarding


class Tables:
    """Chains of rules, as ``iptables -S`` lists them."""

    def __init__(self, *chains: str) -> None:
        self.rules: dict[str, list[str]] = {chain: [] for chain in chains}

    def __call__(self, *words: str) -> str:
        if words == ("-S",):
            kinds = {"FORWARD": "-P FORWARD DROP"}
            lines = [kinds.get(chain, f"-N {chain}") for chain in self.rules]
            return "\n".join([*lines, *(f"-A {chain} {rule}" for chain, rules in self.rules.items() for rule in rules)])
        act, chain, *rest = words
        if act == "-I":
            self.rules[chain].insert(int(rest[0]) - 1, " ".join(rest[1:]))
        else:
            assert act == "-D"
            self.rules[chain].remove(" ".join(rest))
        return ""


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Tables:
    made = Tables("INPUT", "FORWARD", "DOCKER-USER")
    made.rules["FORWARD"] = ["-j DOCKER-USER", "-i tarea-br -o tarea-br -j ACCEPT"]
    made.rules["DOCKER-USER"] = ["-j RETURN"]
    monkeypatch.setattr(forwarding, "_iptables", made)
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/sbin/iptables")
    return made


OURS = "-i tarea-br -o tarea-br -m comment --comment tare -j ACCEPT"


def test_it_comes_first_also_where_docker_asks_its_users(tables: Tables) -> None:
    forwarding.accept_within("tarea-br")
    assert tables.rules["FORWARD"][0] == tables.rules["DOCKER-USER"][0] == OURS
    assert forwarding.bridges_with_rule("tare") == ["tarea-br"]


def test_all_of_ours_go_and_dockers_own_stays(tables: Tables) -> None:
    before = {chain: list(rules) for chain, rules in tables.rules.items()}
    for _ in range(2):
        forwarding.accept_within("tarea-br")
    forwarding.accept_within("tareb-br")
    forwarding.drop_rule("tarea-br")
    assert forwarding.bridges_with_rule("tare") == ["tareb-br"]
    forwarding.drop_rule("tareb-br")
    assert tables.rules == before


def test_without_docker_one_chain_is_enough(tables: Tables) -> None:
    del tables.rules["DOCKER-USER"]
    forwarding.accept_within("tarea-br")
    assert tables.rules["FORWARD"][0] == OURS
