"""The contract suites of the rooms that a change touched: prints the folders of tests/system that pytest is to run.

Usage: touched.py [BASE]. The change is from the merge base with BASE, or with the upstream's main, to the working tree;
where there is neither, from HEAD~1. What was found goes to standard error.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

UPSTREAM = ("@{upstream}", "origin/main", "origin/HEAD")
SUITES = Path("tests/system")
HELD_TO_A_CONTRACT = ("targets", "proxies", "workloads")
"""The folders whose suites run over a registry. What else is in ``tests/system`` is for make test-all."""


def main(words: list[str]) -> int:
    base = merge_base(words or UPSTREAM)
    changed = git("diff", "--name-only", base).splitlines()
    rooms = touched(changed)
    tell(f"{len(changed)} files changed since {base}; contract suites to run: {' '.join(rooms) or 'none'}")
    print(" ".join(str(SUITES / room) for room in rooms))  # noqa: T201 - its output
    return 0


def touched(changed: Iterable[str]) -> list[str]:
    """The rooms with a contract that one of these files belongs to, be it the code, its tests or what is deployed."""
    parts = {part for path in changed for part in PurePosixPath(path).parts[:-1]}
    return [room for room in HELD_TO_A_CONTRACT if room in parts]


def merge_base(candidates: Iterable[str]) -> str:
    for name in candidates:
        found = subprocess.run(["git", "merge-base", "HEAD", name], capture_output=True, text=True, check=False)
        if found.returncode == 0 and found.stdout.strip() != git("rev-parse", "HEAD").strip():
            tell(f"the merge base with {name}")
            return found.stdout.strip()
    tell("no upstream that is behind this commit: the last commit alone")
    return git("rev-parse", "HEAD~1").strip()


def git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout


def tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - its output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
