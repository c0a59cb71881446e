"""A trial's record while the trial runs: what is measured goes into it at once, and a failure keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from harness.load.result import LoadResult
from harness.records.instance import Digests, InstanceRecord
from harness.records.memory import MemoryView
from harness.records.trial import EventRecord, Failure, TrialRecord
from harness.records.window import Cpu
from harness.trial.launch import Running


@dataclass(slots=True)
class TrialDraft:
    """``record`` holds what is known of the whole, ``running`` the instances in the order of their launch.

    What was measured of each instance is kept by its name until ``finished``.
    """

    record: TrialRecord
    running: list[Running] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    result: LoadResult | None = None
    idle_of: Mapping[str, MemoryView] = field(default_factory=dict)
    load_of: Mapping[str, MemoryView] = field(default_factory=dict)
    cpu_of: Mapping[str, Cpu] = field(default_factory=dict)
    digests_of: Mapping[str, Digests] = field(default_factory=dict)

    def failed(self, failure: Failure) -> None:
        """Of several failures the first is the one that counts; later ones are a line of its logs."""
        first = self.record.failure
        if first is not None:
            failure = replace(first, logs=f"{first.logs}\nthen: {failure.what}".strip())
        self.record = replace(self.record, outcome="failed", failure=failure)

    def finished(self, invalid: tuple[str, ...], samples: str | None) -> TrialRecord:
        """The record, with its instances. ``invalid``: why it does not count, although it did not fail."""
        return replace(
            self.record,
            invalid=invalid,
            accelerator=self._accelerator(),
            limits_enforced=all(run.instance.limits_enforced for run in self.running),
            instances=tuple(self._instances()),
            events=tuple(self.events),
            samples=samples,
        )

    def _accelerator(self) -> str:
        """What executed guests' instructions, if there was a guest: emulation, wherever it was, is what shows."""
        kinds = {run.instance.accelerator for run in self.running}
        return next((kind for kind in ("tcg", "kvm") if kind in kinds), "none")

    def _instances(self) -> Iterator[InstanceRecord]:
        # A replacement has a stopwatch of its own; the startup stays that of the deployment.
        asked_ns = [run.startup.trigger_ns if run.startup else run.watch.trigger_ns for run in self.running]
        for run, at_ns in zip(self.running, asked_ns, strict=True):
            yield InstanceRecord(
                name=run.name,
                service=run.place.service_name,
                role=run.place.role,
                target=run.place.target.name,
                accelerator=run.instance.accelerator,
                limits_enforced=run.instance.limits_enforced,
                trigger_after_ns=at_ns - asked_ns[0],
                startup=run.startup,
                memory_idle=self.idle_of.get(run.name),
                memory_load=self.load_of.get(run.name),
                cpu=self.cpu_of.get(run.name),
                digests=self.digests_of.get(run.name),
            )
