from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.artifacts.api import User
from harness.errors import DeployError
from harness.targets.vm.unit import accounts, launch_archive, quoted, unit
from tests.unit.targets.vm.vm_service import AT, service

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


def read_back(text: str) -> list[str]:
    """What systemd makes of quoted words: C escapes in double quotes, then ``%%``; written from systemd.syntax(7)."""
    found = []
    for body in re.findall(r'"((?:\\.|[^"\\])*)"', text):
        plain = re.sub(
            r"\\(x[0-9a-f]{2}|.)", lambda match: chr(int(match[1][1:], 16)) if len(match[1]) > 1 else match[1], body
        )
        assert "%" not in plain.replace("%%", "")
        found.append(plain.replace("%%", "%"))
    return found


def lines(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.split("\n") if line.startswith(f"{key}=")]


@given(words)
def test_a_word_is_read_back_as_it_was(word: str) -> None:
    assert read_back(quoted(word)) == [word]
    assert not set(quoted(word)) & {"\n", "\r", "\t"}


@given(st.lists(words, max_size=4), st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), words, max_size=3))
def test_argv_and_env_are_exact(arguments: list[str], env: dict[str, str]) -> None:
    text = unit(service(argv=("/bin/app", *arguments), env=tuple(env.items())), "t")
    (command,) = lines(text, "ExecStart")
    assert read_back(command) == ["@:/bin/app", "/bin/app", *arguments]
    assert [read_back(line)[0] for line in lines(text, "Environment")] == [f"{k}={v}" for k, v in env.items()]


def test_a_program_without_a_folder_is_looked_for_in_the_services_own_path() -> None:
    text = unit(service(argv=("python3", "x"), env=(("PATH", "/opt/v/bin:rel:/bin"),)), "t")
    assert lines(text, "ExecStart") == ['"@:python3" "python3" "x"']
    assert lines(text, "ExecSearchPath") == ["/opt/v/bin:/bin"]


def test_a_relative_program_is_relative_to_the_working_folder() -> None:
    assert lines(unit(service(argv=("./run", "-v")), "t"), "ExecStart") == ['"@:/srv/run" "./run" "-v"']


@pytest.mark.parametrize("first", ["", "-x", "@x", "!x"])
def test_a_program_that_systemd_would_read_otherwise_is_refused(first: str) -> None:
    with pytest.raises(DeployError, match="cannot start a program"):
        unit(service(argv=(first,)), "t")


def test_a_variable_that_systemd_would_drop_is_refused() -> None:
    with pytest.raises(DeployError, match=r"my\.name"):
        unit(service(env=(("my.name", "1"),)), "t")


def test_a_variable_of_the_services_own_is_not_unset() -> None:
    (unset,) = lines(unit(service(env=(("LANG", "C"),)), "t"), "UnsetEnvironment")
    assert "LANG" not in unset.split()
    assert "USER" in unset.split()


def test_users_are_numbers_that_the_guest_knows() -> None:
    user = User(1000, 1001, (7,))
    text = unit(service(user=user), "t")
    assert [lines(text, key) for key in ("User", "Group", "SupplementaryGroups")] == [["1000"], ["1001"], ["7"]]
    passwd, group = accounts(user)
    assert passwd.split(":")[2:4] == ["1000", "1001"]
    assert [line.split(":")[2] for line in group.splitlines()] == ["7", "1001"]


def test_root_needs_nothing() -> None:
    assert accounts(User()) == ("", "")
    assert not lines(unit(service(), "t"), "User")


def test_the_archive_of_a_launch_holds_address_and_unit() -> None:
    archive = launch_archive(service(), AT, "token-1")
    assert b"IP=198.18.3.10\nPREFIX=24\n" in archive
    assert b"ExecStopPost=+/usr/lib/tare/ended token-1\n" in archive
    assert b"tare/units/multi-user.target.wants/tare-workload.service" in archive
