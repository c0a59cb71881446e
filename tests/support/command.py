"""The command line as a user runs it: a process of its own, its exit code, what it printed and what it left on disk."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from harness.clock import NS_PER_S, now_ns
from harness.records.trial import TrialRecord
from harness.store.folder import CampaignFolder
from tests.support.until import until

ROOT = Path(__file__).resolve().parents[2]
TARE = Path(sys.executable).with_name("tare")
LIMIT_S = 300
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> tuple[str, str]:
        """What happened, and what to do: its last two lines on standard error, and the only ones of their kind."""
        lines = self.err.rstrip("\n").splitlines()
        assert len(lines) >= 2, self.err
        what, remedy = lines[-2:]
        assert what.startswith("Error: "), self.err
        assert remedy.startswith("Try: "), self.err
        assert self.err.count("Error: ") == self.err.count("Try: ") == 1, self.err
        assert "Traceback" not in self.err + self.out
        return what.removeprefix("Error: "), remedy.removeprefix("Try: ")


class Running:
    """``tare`` at work, in a session of its own. What it prints goes to a file, as plain lines."""

    def __init__(self, folder: Path, words: Sequence[str | Path], env: Mapping[str, str]) -> None:
        self._out = folder / "stdout"
        self._err = folder / "stderr"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [*map(str, words)],
                cwd=ROOT,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def out(self) -> str:
        return self._out.read_text("utf-8")

    def until(self, true: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        """Wait until it is so, while the command still runs."""

        def seen() -> bool:
            if true():
                return True
            assert self._process.poll() is None, f"it has ended:\n{self.out}{self._err.read_text('utf-8')}"
            return False

        until(seen, limit_s, told=lambda: self.out)

    def until_printed(self, pattern: str) -> None:
        """Wait until a line that matches ``pattern`` was printed, while the command still runs."""
        self.until(lambda: re.search(pattern, self.out, re.MULTILINE) is not None)

    def end_watched(self, look: Callable[[], object], limit_s: float = LIMIT_S) -> Ended:
        """Wait for its end, and take a look now and then."""
        deadline_ns = now_ns() + round(limit_s * NS_PER_S)
        while self._process.poll() is None and now_ns() < deadline_ns:
            look()
            sleep(0.2)
        return self.end(0)

    def kill(self) -> None:
        """``kill -9`` of the command alone, as the kernel's out-of-memory killer would."""
        self._process.kill()
        self._process.wait()

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends SIGINT to the whole foreground group."""
        os.killpg(self._process.pid, signal.SIGINT)

    def end(self, limit_s: float = LIMIT_S) -> Ended:
        """Wait for its end."""
        code = self._process.wait(limit_s)
        return Ended(code, self.out, self._err.read_text("utf-8"))


@contextmanager
def started(
    folder: Path, *words: str | Path, env: Mapping[str, str] = _NOTHING, before: Sequence[str] = ()
) -> Iterator[Running]:
    """``tare WORDS`` for as long as the context lasts; ``before`` are words to put before it, such as ``setpriv …``."""
    folder.mkdir(exist_ok=True)
    running = Running(folder, (*before, TARE, *words), env)
    try:
        yield running
    finally:
        running.kill()


def tare(folder: Path, *words: str | Path, env: Mapping[str, str] = _NOTHING, before: Sequence[str] = ()) -> Ended:
    """Run it to its end."""
    with started(folder, *words, env=env, before=before) as running:
        return running.end()


def trials(campaign: Path) -> list[TrialRecord]:
    """Every attempt that the campaign's journal holds."""
    return CampaignFolder.open(campaign).trials()
