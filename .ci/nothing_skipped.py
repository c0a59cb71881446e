"""Fails if a test of the real engines was skipped, or if a contract suite missed a target or a front.

Usage: nothing_skipped.py RESULTS.xml …, which pytest wrote with --junitxml.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree

TARGETS = ("process", "container", "vm", "swarm", "fake")
FRONTS = ("nginx", "haproxy", "squid", "varnish", "nginx-cache", "squid-cache", "trafficserver")


def main(paths: list[str]) -> int:
    """The exit code: 0 if every test ran, and every target and every front was held to its contract."""
    cases = [case for path in paths for case in ElementTree.parse(path).iter("testcase")]
    skipped = [case.get("name") for case in cases if case.find("skipped") is not None]
    contract = [case for case in cases if "contract" in (case.get("classname") or "")]
    of_targets = [case for case in contract if "test_targets" in (case.get("classname") or "")]
    counts = {target: sum(f"[{target}" in (case.get("name") or "") for case in of_targets) for target in TARGETS}
    counts |= {
        front: sum(re.search(rf"-{front}\b(?!-cache)", case.get("name") or "") is not None for case in contract)
        for front in FRONTS
    }
    print(f"{len(cases)} tests ran on the real engines; the contract suites by target and front: {counts}")  # noqa: T201 - its output
    for name in skipped:
        print(f"skipped: {name}", file=sys.stderr)  # noqa: T201 - its output
    return 1 if skipped or not all(counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
