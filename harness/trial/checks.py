"""What is checked once of a deployment: closed paths, who was served by whom, how long the workload's events took."""

from __future__ import annotations

from collections import Counter
from math import isfinite

from pydantic import ValidationError

from harness.errors import LoadError
from harness.lab.bridged import BridgedLab, Lab
from harness.probes import exchanges, reach
from harness.records.cache import OriginCount
from harness.records.variant import Variant
from harness.spec.route import Route, Way
from harness.store.written import read_record
from harness.trial.campaign_context import CampaignContext
from harness.trial.launch import Deployment
from harness.trial.layout import Layout

FORBIDDEN = ("198.19.255.254", 80)
"""A host of the benchmark's own address range that no allow list names; nobody ever has it."""


def close_paths(layout: Layout, lab: Lab) -> dict[str, str]:
    """Behind a forward proxy: take the client's way to the services away, and try what must not be possible.

    ``direct``: what a TCP connection to a service comes to; ``forbidden``: the status for a host that is not on the
    allow list. Empty without a forward proxy. Raises LoadError if either was possible after all.
    """
    forward_proxy = layout.way.forward_proxy
    if forward_proxy is None or not isinstance(lab, BridgedLab):
        return {}
    services = [place for place in layout.places if place.role == "service"]
    for place in services:
        for at in place.addresses:
            lab.close_to_client(at.ip)
    direct = reach.connect(str(services[0].at.ip), services[0].service.port, lab.client_netns)
    forbidden = reach.status_through(forward_proxy, FORBIDDEN, lab.client_netns)
    if direct == reach.CONNECTED:
        raise LoadError("The client reaches the service without the proxy.", "Look at its routes: ip route.")
    if forbidden != 403:
        raise LoadError(
            f"The proxy answered {forbidden} for a host that it must not reach, expected 403.",
            "Look at its configuration, which is kept with the trial.",
        )
    return {"direct": direct, "forbidden": str(forbidden)}


def served(variant: Variant, setting: CampaignContext, deployment: Deployment) -> dict[str, int]:
    """Requests that the proxy's instances passed on, by whom they were passed to, as their own logs have them.

    Empty without a proxy.
    """
    counts: Counter[str] = Counter()
    for place in deployment.layout.proxies:
        counts.update(setting.proxies[variant.proxy].served(deployment.of(place.name).instance.logs()))
    names = {
        f"{at.ip}:{each.service.port}": each.name if at is each.at else f"{each.name}-{number}"
        for each in deployment.layout.places
        for number, at in enumerate(each.addresses, start=1)
    }
    return {names.get(address, address): count for address, count in counts.items()}


def origin_count(layout: Layout, lab: Lab) -> OriginCount | None:
    """What the origin has counted since its start, all its instances together; None if it counts nothing.

    It is asked directly, past any proxy, by the clients of its own region. Raises LoadError if its answer is not what
    the topology promises.
    """
    path = layout.topology.counter
    if path is None:
        return None
    found = []
    for place in layout.places_of(layout.topology.route_of(path)):
        for at in place.addresses[: place.service.replicas]:
            here = (Route("/", str(at.ip), place.service.port),)
            answer = exchanges.fetch(path, here, lab.client_netns, Way(forward_proxy=layout.way.forward_proxy))
            found.append(_count(path, answer))
    return OriginCount(requests=sum(each.requests for each in found), bytes=sum(each.bytes for each in found))


def since(before: OriginCount | None, after: OriginCount | None) -> OriginCount | None:
    """What was counted in between; None if one of the two is."""
    if before is None or after is None:
        return None
    return OriginCount(requests=after.requests - before.requests, bytes=after.bytes - before.bytes)


def _count(path: str, answer: object) -> OriginCount:
    try:
        return read_record(OriginCount, answer)
    except ValidationError as error:
        raise LoadError(
            f"GET {path} does not tell what the origin counted: {error.errors()[0]['msg']}.",
            "It must answer with a JSON object of two whole numbers, requests and bytes.",
        ) from error


def propagation(layout: Layout, lab: Lab) -> tuple[float, ...]:
    """Milliseconds from an event's publication to its effect, as the workload itself tells them; empty if it does not.

    Raises LoadError if its answer is not what the topology promises.
    """
    path = layout.topology.propagation
    if path is None:
        return ()
    way = layout.way
    answer = exchanges.fetch(path, layout.routes, lab.client_netns, way)
    try:
        if not isinstance(answer, dict):
            raise TypeError("the answer is no object")
        told = answer["propagation_ms"]
        if not isinstance(told, list):
            raise TypeError("propagation_ms is no list")
        times = tuple(float(value) for value in told)
        if not all(map(isfinite, times)):
            raise ValueError("not every time is a number")
        return times
    except (KeyError, TypeError, ValueError) as error:
        raise LoadError(
            f"GET {path} does not tell the propagation times: {error!r}.",
            "It must answer with JSON that has a list of numbers, propagation_ms.",
        ) from error
