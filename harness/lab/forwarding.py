"""The lab's own accept rule: hosts on one bridge must reach each other where bridged packets pass through iptables.

A Docker host has ``bridge-nf-call-iptables`` = 1 and a DROP policy on FORWARD. Traffic that stays on the lab's bridge
is accepted, nothing else is, and the rule goes when the lab goes. It carries a comment: Docker has the same rule for a
network on that bridge, would take ours for its own, and remove it with the network while the lab still stands.

Where there is Docker the rule stands in its chain for its users as well, which comes before its own rules. For the
network of one region of several, those would drop whatever comes from outside that region's own addresses.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from harness.errors import DeployError, Unavailable

_TIMEOUT_S = 10
_COMMENT = ("-m", "comment", "--comment", "tare")
_CHAINS = ("FORWARD", "DOCKER-USER")


def accept_within(bridge: str) -> None:
    """Accept what is forwarded from ``bridge`` to itself. Raises DeployError, or Unavailable without iptables."""
    listed = _iptables("-S").splitlines()
    for chain in _CHAINS:
        if any(line.split()[:2] in (["-P", chain], ["-N", chain]) for line in listed):
            _iptables("-I", chain, "1", *_rule(bridge))


def drop_rule(bridge: str) -> None:
    """Remove that rule from every chain, however often it is there."""
    if shutil.which("iptables") is None:
        return
    while chains := [chain for chain, name in _rules() if name == bridge]:
        for chain in chains:
            _iptables("-D", chain, *_rule(bridge))


def bridges_with_rule(prefix: str) -> list[str]:
    """The bridges whose names begin with ``prefix`` and that have such a rule. Empty without iptables."""
    if shutil.which("iptables") is None:
        return []
    return sorted({bridge for _, bridge in _rules() if bridge.startswith(prefix)})


def _rules() -> list[tuple[str, str]]:
    """(chain, bridge) of every rule that carries our comment."""
    words = [line.split() for line in _iptables("-S").splitlines()]
    return [
        (word[1], word[3])
        for word in words
        if word[0] == "-A" and word[1] in _CHAINS and word[2:3] == ["-i"] and set(_COMMENT) <= set(word)
    ]


def _rule(bridge: str) -> tuple[str, ...]:
    return ("-i", bridge, "-o", bridge, *_COMMENT, "-j", "ACCEPT")


def _iptables(*words: str) -> str:
    command: Sequence[str] = ("iptables", "-w", "5", *words)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    except FileNotFoundError as error:
        raise Unavailable("iptables is not installed.", "tare provision") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        detail = (getattr(error, "stderr", "") or str(error)).strip()
        what = f"`{' '.join(command)}` failed: {detail}."
        raise DeployError(what, "Check that this user may change iptables.") from error
    return done.stdout
