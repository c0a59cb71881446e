"""Claim *portability*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.claims.base import Claim, Figure, Finding, called, records_of
from harness.store.records import TrialRecord

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign


def check(campaign: Campaign) -> Finding:
    """Every target that was measured ran one content digest and gave the same response bytes to each exchange.

    Any difference, in any attempt, refutes. Two targets at least must have shown both to support it; where the
    workload names no exchanges, digests alone do not tell how it behaves. Holds under emulation.
    """
    targets = list(dict.fromkeys(variant.target for variant in campaign.manifest.variants))
    attempts = {target: records_of(campaign, target) for target in targets}
    digests = {target: _digests(records) for target, records in attempts.items()}
    answers = {target: _answers(records) for target, records in attempts.items()}
    with_digest = [target for target in targets if digests[target]]
    with_both = [target for target in with_digest if answers[target]]
    figures = tuple(
        Figure(target, "content_digest", ", ".join(sorted(digests[target])), n=len(attempts[target]))
        for target in with_digest
    )
    seen = {digest for target in with_digest for digest in digests[target]} | {campaign.manifest.artifact_digest}
    if with_digest and len(seen) > 1:
        odd = [
            called(campaign, target) for target in with_digest if digests[target] != {campaign.manifest.artifact_digest}
        ]
        return Finding("refuted", f"The content digest differs from the artifact's on {', '.join(odd)}.", figures)
    if unlike := _unlike({target: answers[target] for target in targets if answers[target]}):
        return Finding("refuted", f"The response bytes differ between trials: {', '.join(unlike)}.", figures)
    if len(with_both) < 2:
        return Finding(
            "not measured",
            _why_not(
                [called(campaign, target) for target in with_digest], [called(campaign, target) for target in with_both]
            ),
            figures,
        )
    exchanges = len({name for target in with_both for name in answers[target]})
    labels = [called(campaign, target) for target in with_both]
    names = f"{', '.join(labels[:-1])} and {labels[-1]}"
    trials = sum(len(attempts[target]) for target in with_both)
    return Finding(
        "supported",
        f"One content digest ({campaign.manifest.artifact_digest[:19]}…) and identical bytes in {exchanges} "
        f"exchange{'s' if exchanges != 1 else ''} from {names}, in {trials} trials.",
        figures,
    )


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
