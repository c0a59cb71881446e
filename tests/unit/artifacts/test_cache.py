from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.artifacts.cache import materialise
from harness.errors import BuildError

ROOT = Path(__file__).resolve().parents[3]


def make_file(workspace: Path) -> Path:
    (workspace / "rest").touch()
    (workspace / "done").write_text("content")
    return workspace / "done"


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    entry = tmp_path / "cache" / "entry"
    assert materialise(entry, make_file) == entry
    assert entry.read_text() == "content"
    assert visible(entry.parent) == ["entry"]

    def never(_workspace: Path) -> Path:
        raise AssertionError("made twice")

    materialise(entry, never)


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(workspace: Path) -> Path:
        (workspace / "half").touch()
        raise BuildError("what", "remedy")

    with pytest.raises(BuildError, match="what"):
        materialise(tmp_path / "entry", fail)
    assert visible(tmp_path) == []


def test_a_full_disk_says_what_to_do(tmp_path: Path) -> None:
    def full(_workspace: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(BuildError, match="no space left") as caught:
        materialise(tmp_path / "entry", full)
    assert "TARE_CACHE" in caught.value.remedy
    assert visible(tmp_path) == []


def test_a_cache_that_is_a_file_is_a_build_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BuildError, match="could not write"):
        materialise(tmp_path / "file" / "entry", make_file)


def test_two_builders_do_the_work_once(tmp_path: Path) -> None:
    made: list[Path] = []
    begun = threading.Event()

    def slow(workspace: Path) -> Path:
        made.append(workspace)
        begun.set()
        return make_file(workspace)

    threads = [threading.Thread(target=materialise, args=(tmp_path / "entry", slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert begun.is_set()
    assert len(made) == 1


KILLED = """
import sys
from pathlib import Path
from harness.artifacts.cache import materialise
def hang(workspace):
    (workspace / "half").mkdir()
    print("in", flush=True)
    sys.stdin.read()
materialise(Path(sys.argv[1]), hang)
"""


def test_a_killed_builder_leaves_no_entry_and_the_next_use_cleans_up(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "entry")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
    ) as builder:  # fmt: skip
        assert builder.stdout is not None
        assert builder.stdout.readline() == b"in\n"
        materialise(tmp_path / "other", make_file)
        assert visible(tmp_path) == [".entry.partial", "other"]
        builder.send_signal(signal.SIGKILL)
    assert not (tmp_path / "entry").exists()
    materialise(tmp_path / "third", make_file)
    assert visible(tmp_path) == ["other", "third"]
