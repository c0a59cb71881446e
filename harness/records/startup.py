"""How long it took from asking for an instance to its first correct response."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupPhase:
    """``after_ns`` is the time since the trigger (t0)."""

    name: str
    after_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """From the trigger to the last byte of the first correct response.

    Of a set: from its first instance's trigger to the last byte of the first transaction's last correct answer, where
    its topology has one, else to the moment when every instance has given its first correct response. The phases are
    then named ``<instance> ready`` and ``first transaction``.
    """

    trigger_ns: int
    total_ns: int
    phases: tuple[StartupPhase, ...]
    attempts: int
    resolution_ns: int
    """The largest gap between two attempts in the last moments before the first response: how exact the figure is."""
    prober_cpu_ns: int
