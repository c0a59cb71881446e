"""What happens to a deployment while it is under load: the events, one after another, each in its slot of time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

from harness import clock as clocks
from harness.clock import NS_PER_S, Stopwatch, now_ns
from harness.errors import DeployError, NotReady
from harness.lab.bridged import Lab
from harness.records.trial import EventRecord
from harness.spec.event import EventSpec
from harness.spec.proxy import is_proxy
from harness.targets.orchestrated import Orchestrated
from harness.trial.campaign_context import CampaignContext
from harness.trial.instrument_factory import StartupProber
from harness.trial.launch import Deployment, Running, prober_of, seconds_until
from harness.trial.layout import DeploymentUnit

_POLL_S = 0.05


@dataclass(slots=True)
class EventContext:
    """Where events happen. ``stack`` ends what a replacement makes."""

    deployment: Deployment
    setting: CampaignContext
    lab: Lab
    stack: ExitStack


def run_events(events: tuple[EventSpec, ...], begin_ns: int, stage: EventContext, told: list[EventRecord]) -> None:
    """Let each event happen in its slot, the first slot from ``begin_ns`` on. ``told`` gets a record of each.

    Raises DeployError if an act fails: then the trial has failed, and what was told stays.
    """
    slot_ns = begin_ns
    for event in events:
        watched_ns = slot_ns
        slot_ns += round(event.slot_s * NS_PER_S)
        clocks.sleep_until_ns(watched_ns + round(event.before_s * NS_PER_S))
        told.append(_one(event, watched_ns, slot_ns, stage))


def service_of(event: EventSpec, stage: EventContext) -> str:
    """The service that it happens to, in this topology."""
    return event.service or stage.deployment.layout.topology.route_of(event.route or "/")


def _one(event: EventSpec, watched_ns: int, until_ns: int, stage: EventContext) -> EventRecord:
    service = service_of(event, stage)
    places = stage.deployment.layout.places_of(service)
    names = {place.name for place in places}
    instances = [each for each in stage.deployment.running if each.name in names]
    if len(instances) < event.replica:
        raise DeployError(
            f"{event.kind} of {service}: there is no replica {event.replica} of it.", "Correct the event."
        )
    run = instances[event.replica - 1]
    orchestrated = run.instance if isinstance(run.instance, Orchestrated) else None
    begin_ns = now_ns()
    if orchestrated is not None:
        recovered, done_ns, note = _of_orchestrator(event, run, orchestrated, until_ns, stage)
    else:
        recovered, done_ns, note = _of_instance(event, run, until_ns, stage)
    topology = stage.deployment.layout.topology
    return EventRecord(
        kind=event.kind,
        service=service,
        instance=run.name,
        # Everything goes through a proxy.
        routes=tuple(prefix for prefix, name in topology.routes.items() if name == service or is_proxy(service)),
        watched_from_ns=watched_ns,
        begin_ns=begin_ns,
        done_ns=done_ns,
        recovered_ns=recovered,
        watched_until_ns=until_ns,
        note=note,
    )


def _of_instance(event: EventSpec, run: Running, until_ns: int, stage: EventContext) -> tuple[int | None, int, str]:
    """Kill, end or replace one instance, and ask it until it answers again."""
    if event.kind == "scale":
        raise DeployError(
            f"{run.place.target.name} does not scale {run.place.service_name}.",
            'Give the event targets = ["swarm"], or exclude the variant.',
        )
    act = {"kill": _kill, "restart": _restart, "replace": _replace}[event.kind]
    if not event.again:
        act(event, run, stage)
        return None, now_ns(), "it stays down"
    with ExitStack() as stack:
        asked = _as_clients(run.place, stage)
        prober = prober_of(asked, stage.setting.instruments, stage.lab, stage.setting.cpus.generator, stack)
        act(event, run, stage)
        prober.go()
        clocks.sleep_until_ns(now_ns() + round(event.down_s * NS_PER_S))
        if event.kind != "replace":
            run.instance.restart(Stopwatch())
        done_ns = now_ns()
        try:
            found = prober.result(seconds_until(until_ns), lambda: True)
        except NotReady as late:
            return None, done_ns, late.what
    return found.first_response_ns, done_ns, ""


def _as_clients(place: DeploymentUnit, stage: EventContext) -> DeploymentUnit:
    """Behind a forward proxy nobody but the proxy reaches an instance any more, the prober neither."""
    way = stage.deployment.layout.way
    return place if way.forward_proxy is None or place.role == "proxy" else replace(place, way=way)


def _kill(_event: EventSpec, run: Running, _stage: EventContext) -> None:
    run.instance.kill()


def _restart(_event: EventSpec, run: Running, _stage: EventContext) -> None:
    run.instance.terminate()


def _replace(_event: EventSpec, run: Running, stage: EventContext) -> None:
    """The old version is stopped and the new one launched in its place: same artifact, its ``next`` environment."""
    env = tuple({**dict(run.place.service.env), **dict(run.place.following)}.items())
    run.instance.stop()
    run.place = replace(run.place, service=replace(run.place.service, env=env))
    run.watch = Stopwatch()
    with run.place.target.stage(run.place.service, run.place.at, run.scratch) as staged:
        run.instance = stage.stack.enter_context(staged.start(run.watch))


def _of_orchestrator(
    event: EventSpec, run: Running, instance: Orchestrated, until_ns: int, stage: EventContext
) -> tuple[int | None, int, str]:
    """Ask the orchestrator, or kill one replica behind its back, and wait until as many answer as there should be.

    A restart is of the service with all its replicas: none of them is ended in order without the orchestrator.
    """
    wanted = event.replicas or run.place.service.replicas
    before = _replicas(run)
    if event.kind == "scale":
        instance.scale(wanted)
        run.place = replace(run.place, service=replace(run.place.service, replicas=wanted))
    elif event.kind == "replace":
        instance.replace(dict(run.place.following))
    elif event.kind == "restart":
        run.instance.terminate()
        clocks.sleep_until_ns(now_ns() + round(event.down_s * NS_PER_S))
        run.instance.restart(Stopwatch())
    else:
        run.instance.kill()
    done_ns = now_ns()
    while not _is_whole(event, _replicas(run), before, wanted):
        if now_ns() > until_ns:
            return None, done_ns, f"{len(_replicas(run))} of {wanted} replicas ran when the watch ended"
        clocks.sleep_until_ns(now_ns() + round(_POLL_S * NS_PER_S))
    answered = _answers(run, instance, until_ns, stage)
    if len(answered) < wanted:
        return None, done_ns, f"{len(answered)} of {wanted} replicas answered when the watch ended"
    return answered[wanted - 1], done_ns, ""


def _replicas(run: Running) -> frozenset[int]:
    """Who the replicas are: each container has a shim of its own."""
    return frozenset(process.pid for process in run.instance.processes() if process.role == "shim")


def _is_whole(event: EventSpec, now: frozenset[int], before: frozenset[int], wanted: int) -> bool:
    if len(now) != wanted:
        return False
    if event.kind == "replace":
        return now.isdisjoint(before)
    return event.kind == "scale" or now != before


def _answers(run: Running, instance: Orchestrated, until_ns: int, stage: EventContext) -> list[int]:
    """When each place where a replica may be gave a correct response, in order, of those that did."""
    tools, cpus = stage.setting.instruments, stage.setting.cpus.generator
    with ExitStack() as stack:
        probers = [
            prober_of(replace(run.place, ask=(str(at.ip), run.place.ask[1])), tools, stage.lab, cpus, stack)
            for at in instance.places()
        ]
        for prober in probers:
            prober.go()
        with ThreadPoolExecutor(len(probers)) as pool:
            found = list(pool.map(lambda prober: _first_response(prober, until_ns), probers))
    return sorted(moment for moment in found if moment is not None)


def _first_response(prober: StartupProber, until_ns: int) -> int | None:
    try:
        return prober.result(seconds_until(until_ns), lambda: True).first_response_ns
    except NotReady:
        return None
