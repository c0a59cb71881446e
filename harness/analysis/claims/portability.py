"""Claim *portability*."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.claims.base import Claim, Figure, Finding, called, records_of, topologies
from harness.records.trial import TrialRecord
from harness.spec.topology import SINGLE

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign


def check(campaign: Campaign) -> Finding:
    """Every target that was measured ran one content digest and gave the same response bytes to each exchange.

    Within a topology: another one is another set of services. Any difference, in any attempt, refutes. Two targets of
    one topology at least must have shown both to support it; where the workload names no exchanges, digests alone do
    not tell how it behaves. Holds under emulation.
    """
    seen = [_Seen.of(campaign, topology) for topology in topologies(campaign)]
    figures = tuple(figure for one in seen for figure in one.figures())
    if odd := [name for one in seen for name in one.odd()]:
        return Finding("refuted", f"The content digest differs from the artifact's on {', '.join(odd)}.", figures)
    if unlike := [exchange for one in seen for exchange in one.unlike()]:
        return Finding("refuted", f"The response bytes differ between trials: {', '.join(unlike)}.", figures)
    decided = [one for one in seen if len(one.with_both) >= 2]
    if not decided:
        best = max(seen, key=lambda one: (len(one.with_digest), len(one.with_both)))
        return Finding("not measured", _why_not(best.names(best.with_digest), best.names(best.with_both)), figures)
    return Finding("supported", ". ".join(one.sentence() for one in decided) + ".", figures)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the attempts on one topology showed, by target."""

    campaign: Campaign
    topology: str
    attempts: dict[str, list[TrialRecord]]

    @classmethod
    def of(cls, campaign: Campaign, topology: str) -> _Seen:
        variants = [variant for variant in campaign.manifest.variants if variant.topology == topology]
        return cls(
            campaign,
            topology,
            {
                target: [record for record in records_of(campaign, target) if record.variant.topology == topology]
                for target in dict.fromkeys(variant.target for variant in variants)
            },
        )

    @property
    def with_digest(self) -> list[str]:
        return [target for target, records in self.attempts.items() if _digests(records)]

    @property
    def with_both(self) -> list[str]:
        return [target for target in self.with_digest if _answers(self.attempts[target])]

    def names(self, targets: list[str]) -> list[str]:
        of = "" if self.topology == SINGLE else f"{self.topology} on "
        return [of + called(self.campaign, target) for target in targets]

    def odd(self) -> list[str]:
        """The targets whose digest is not what was packed, or not what the other targets packed."""
        expected = {target: _expected(self.attempts[target]) for target in self.with_digest}
        first = next(iter(expected.values()), set())
        return self.names([t for t in self.with_digest if not (_digests(self.attempts[t]) == expected[t] == first)])

    def unlike(self) -> list[str]:
        return _unlike({target: _answers(records) for target, records in self.attempts.items()})

    def figures(self) -> list[Figure]:
        return [
            Figure(
                name, "content_digest", ", ".join(sorted(_digests(self.attempts[target]))), n=len(self.attempts[target])
            )
            for target, name in zip(self.with_digest, self.names(self.with_digest), strict=True)
        ]

    def sentence(self) -> str:
        exchanges = len({name for target in self.with_both for name in _answers(self.attempts[target])})
        labels = self.names(self.with_both)
        trials = sum(len(self.attempts[target]) for target in self.with_both)
        digest = min(_digests(self.attempts[self.with_both[0]]))
        return (
            f"One content digest ({digest[:19]}…) and identical bytes in {exchanges} "
            f"exchange{'s' if exchanges != 1 else ''} from {', '.join(labels[:-1])} and {labels[-1]}, "
            f"in {trials} trials"
        )


def _expected(records: list[TrialRecord]) -> set[str]:
    return {record.digests.expected for record in records if record.digests is not None}


def _digests(records: list[TrialRecord]) -> set[str]:
    return {record.digests.observed for record in records if record.digests is not None}


def _answers(records: list[TrialRecord]) -> dict[str, set[str]]:
    """Exchange to the different responses that were seen."""
    found: dict[str, set[str]] = {}
    for record in records:
        for exchange, response in record.responses.items():
            found.setdefault(exchange, set()).add(response)
    return found


def _unlike(answers: dict[str, dict[str, set[str]]]) -> list[str]:
    merged: dict[str, set[str]] = {}
    for by_exchange in answers.values():
        for exchange, responses in by_exchange.items():
            merged.setdefault(exchange, set()).update(responses)
    return sorted(exchange for exchange, responses in merged.items() if len(responses) > 1)


def _why_not(with_digest: list[str], with_both: list[str]) -> str:
    if len(with_digest) < 2:
        only = f"only {with_digest[0]} was" if with_digest else "no target was"
        return f"Two targets at least are needed, and {only} measured."
    shown = f"The content digest is the same on {', '.join(with_digest)}"
    if not with_both:
        return f"{shown}, but no responses were compared: the workload names no exchanges."
    return f"{shown}, but responses were recorded on {', '.join(with_both)} alone."


CLAIM = Claim(
    "portability",
    "The packaged unit behaves the same everywhere.",
    "Identical content digest and identical response bytes from every target.",
    check,
)
