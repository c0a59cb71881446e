"""What the tests on real engines came to, for a log's end. Fails if one was skipped, or if a registered one was missed.

Usage: results.py RESULTS.xml …, which pytest wrote with --junitxml. ``--every-proxy``: each proxy must have been held
to its contract too, as each target always must.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable

from harness.proxies.registry import PROXIES
from harness.targets.registry import TARGETS

SLOWEST = 5


def main(words: list[str]) -> int:
    """The exit code: 0 if every test ran, and everything that must be was held to its contract."""
    paths = [word for word in words if not word.startswith("--")]
    cases = [case for path in paths for case in ElementTree.parse(path).iter("testcase")]
    skipped = [name_of(case) for case in cases if case.find("skipped") is not None]
    targets = held(cases, "test_targets", TARGETS)
    proxies = held(cases, "system.proxies", PROXIES)
    say(f"{len(cases)} tests ran on the real engines.")
    say(f"Contract tests by target: {targets}")
    say(f"Contract tests by proxy: {proxies}")
    say(f"The {SLOWEST} slowest tests, with what they set up:")
    for case in sorted(cases, key=seconds, reverse=True)[:SLOWEST]:
        say(f"  {seconds(case):6.1f} s  {name_of(case)}")
    for name in skipped:
        say(f"skipped: {name}")
    needed = targets | (proxies if "--every-proxy" in words else {})
    missed = [name for name, count in needed.items() if not count]
    for name in missed:
        say(f"not held to its contract: {name}")
    return 1 if skipped or missed else 0


def held(cases: Iterable[ElementTree.Element], suite: str, names: Iterable[str]) -> dict[str, int]:
    """How many tests of the suite each of the names had. A name may hold another, as nginx-cache holds nginx."""
    told = [found[1] for case in cases if suite in name_of(case) and (found := re.search(r"\[(.*)\]", name_of(case)))]
    return {name: sum(re.search(rf"(^|-){name}(-(?!cache)|$)", each) is not None for each in told) for name in names}


def name_of(case: ElementTree.Element) -> str:
    """``tests.system.targets.test_targets::test_it[container]``."""
    return f"{case.get('classname')}::{case.get('name')}"


def seconds(case: ElementTree.Element) -> float:
    return float(case.get("time") or 0)


def say(line: str) -> None:
    print(line)  # noqa: T201 - its output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
