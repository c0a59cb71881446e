from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.artifacts.digest import is_volatile, member_path, tar_digest, tree_digest
from harness.errors import BuildError


def archive(tree: Path, tar: Path) -> Path:
    subprocess.run(["tar", "--format=pax", "--numeric-owner", "-C", tree, "-cf", tar, "."], check=True)
    return tar


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/file").write_bytes(b"content")
    (root / "a/big").write_bytes(bytes(3 * 1024 * 1024 + 1))
    (root / "a/empty").touch()
    (root / "a-sorts-between").touch()
    (root / "link").symlink_to("a/b/file")
    (root / "dangling").symlink_to("no/where")
    os.link(root / "a/b/file", root / "hard")
    os.mkfifo(root / "fifo")
    (root / "ünï").touch()
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe raw")).touch()
    (root / ("long" * 40)).mkdir()
    (root / ("long" * 40) / ("name" * 40)).touch()
    return root


def test_an_archive_has_the_digest_of_its_tree(tree: Path, tmp_path: Path) -> None:
    assert tar_digest(archive(tree, tmp_path / "t.tar")) == tree_digest(tree)


def change_content(root: Path) -> None:
    (root / "a/b/file").write_bytes(b"Content")


def change_mode(root: Path) -> None:
    (root / "a/empty").chmod(0o4755)


def change_folder_mode(root: Path) -> None:
    (root / "a/b").chmod(0o2755)


def change_target(root: Path) -> None:
    (root / "dangling").unlink()
    (root / "dangling").symlink_to("no/there")


def rename(root: Path) -> None:
    (root / "a/empty").rename(root / "a/void")


def change_kind(root: Path) -> None:
    (root / "a/empty").unlink()
    (root / "a/empty").mkdir()


@pytest.mark.parametrize(
    "change", [change_content, change_mode, change_folder_mode, change_target, rename, change_kind]
)
def test_every_difference_that_matters_shows(tree: Path, tmp_path: Path, change: Callable[[Path], None]) -> None:
    before = tree_digest(tree)
    change(tree)
    assert tree_digest(tree) != before
    assert tar_digest(archive(tree, tmp_path / "t.tar")) == tree_digest(tree)


def test_what_does_not_matter_does_not_show(tree: Path) -> None:
    before = tree_digest(tree)
    os.utime(tree / "a/empty", (1, 1))
    tree.chmod(0o700)
    (tree / "hard").unlink()
    (tree / "hard").write_bytes(b"content")
    for folder in ("dev", "proc", "sys", "run", "tmp", "lost+found"):
        (tree / folder / "below").mkdir(parents=True)
    (tree / ".dockerenv").touch()
    assert tree_digest(tree) == before


def test_only_the_engine_s_own_files_in_etc_are_left_out(tree: Path) -> None:
    (tree / "etc").mkdir()
    before = tree_digest(tree)
    for name in ("hosts", "hostname", "resolv.conf", "mtab"):
        (tree / "etc" / name).write_text("x")
    assert tree_digest(tree) == before
    (tree / "etc/passwd").write_text("x")
    assert tree_digest(tree) != before
    assert not is_volatile(b"devices/x")
    assert not is_volatile(b"app/tmp/x")


@pytest.mark.parametrize(
    ("name", "path"),
    [("./a/b/", b"a/b"), ("/a", b"a"), (".", b""), ("./", b""), ("././x", b"x"), (".hidden", b".hidden")],
)
def test_member_names(name: str, path: bytes) -> None:
    assert member_path(name) == path


def test_a_missing_archive_and_a_broken_one_are_build_errors(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="could not read"):
        tar_digest(tmp_path / "none.tar")
    (tmp_path / "bad.tar").write_bytes(b"no archive at all" * 100)
    with pytest.raises(BuildError, match="not a readable tar"):
        tar_digest(tmp_path / "bad.tar")
    with pytest.raises(BuildError, match="could not digest"):
        tree_digest(tmp_path / "none")


NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: not set(name) & {0, 47} and name not in (b".", b".."))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(NAMES, st.tuples(st.binary(max_size=40), st.integers(0o400, 0o777)), max_size=5))
def test_any_names_and_bytes(tmp_path_factory: pytest.TempPathFactory, files: dict[bytes, tuple[bytes, int]]) -> None:
    folder = tmp_path_factory.mktemp("any")
    root = folder / "tree"
    root.mkdir()
    for name, (content, mode) in files.items():
        path = Path(os.fsdecode(os.fsencode(root) + b"/" + name))
        path.write_bytes(content)
        path.chmod(mode)
    assert tar_digest(archive(root, folder / "t.tar")) == tree_digest(root)
