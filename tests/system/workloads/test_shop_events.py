"""Events of the shop on bad days: the broker is killed, loses its store, or is not there; a consumer was down."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.targets.api import Service
from harness.targets.registry import make
from tests.support import shop
from tests.support.deploy import bridged_lab
from tests.support.shop_orders import Outcome, many_orders
from tests.support.shop_suite import anew
from tests.support.until import until

pytestmark = pytest.mark.timeout(1500)

PROGRAMS = {"broker": "nats-server", "python": "python3", "node": "node"}
"""By the root that a service is deployed from."""


def comes_back(service: Service) -> Service:
    """The service with a shell around it that starts its program again, in the same root, whenever that dies."""
    return replace(service, argv=(*shop.AGAIN, *service.argv))


@pytest.fixture(params=["microservices", "polyglot", "monolith"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[shop.DeployedShop]:
    """A shop whose services come back with their files when they are killed."""
    change = dict.fromkeys(shop.WORKLOAD.sets[request.param].services, comes_back)
    with (
        bridged_lab("events") as lab,
        shop.deployed_shop(request.param, make("process"), lab, tmp_path, change) as made,
    ):
        yield made


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[shop.DeployedShop]:
    """The microservices as they are."""
    with bridged_lab("events") as lab, shop.deployed_shop("microservices", make("process"), lab, tmp_path) as made:
        yield made


def test_ten_thousand_orders_count_once_though_the_broker_is_killed_twice(kept: shop.DeployedShop) -> None:
    told(many_orders(kept.at, lambda: kept.kill(shop.BROKER, PROGRAMS[shop.BROKER]), orders=10_000, restarts=2))


def test_orders_count_once_though_every_service_that_has_to_do_with_them_is_killed(kept: shop.DeployedShop) -> None:
    programs = {name: PROGRAMS[shop.WORKLOAD.members[name].root] for name in kept.services if name != "auth"}
    turns = itertools.cycle(programs.items())
    told(many_orders(kept.at, lambda: kept.kill(*next(turns)), orders=2000, restarts=2 * len(programs)))


def test_orders_count_once_though_the_broker_loses_all_it_kept(plain: shop.DeployedShop) -> None:
    told(many_orders(plain.at, lambda: plain.launch_anew(shop.BROKER), orders=1500, restarts=2))


def test_a_catalog_that_was_down_catches_up_and_a_new_one_learns_everything(plain: shop.DeployedShop) -> None:
    token = plain.at.token(anew("buyer"))
    before = plain.at.stock(5)
    for _ in range(20):
        assert plain.at.pay(token, anew("order"), (5, 1)).status_code == 201
    assert plain.at.settled() == plain.at.orders() == 20
    plain.launch_anew("catalog")  # with an empty database: the seed's stock, and none of the events
    until(lambda: plain.at.stock(5) == before - 20)
    assert plain.at.settled() == 20


def test_orders_are_paid_without_a_broker_and_told_when_there_is_one(plain: shop.DeployedShop) -> None:
    token = plain.at.token(anew("buyer"))
    before = plain.at.stock(6)
    plain.instances[shop.BROKER].stop()
    for _ in range(20):
        assert plain.at.pay(token, anew("order"), (6, 1)).status_code == 201
    assert plain.at.get("/payments/outbox") == {"orders": 20, "pending": 20}
    assert plain.at.stock(6) == before, "the catalog serves on without the broker"
    plain.launch_anew(shop.BROKER)
    assert plain.at.settled() == 20
    assert plain.at.stock(6) == before - 20


def test_without_the_catalog_nothing_is_paid_and_the_others_serve_on(plain: shop.DeployedShop) -> None:
    token = plain.at.token(anew("buyer"))
    key = anew("order")
    plain.instances["catalog"].stop()
    answer = plain.at.pay(token, key, (7, 1))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert plain.at.get("/payments/outbox")["orders"] == 0
    assert plain.at.token(anew("other"))
    plain.launch_anew("catalog")
    assert plain.at.pay(token, key, (7, 1)).status_code == 201
    assert plain.at.settled() == 1


def told(outcome: Outcome) -> None:
    """For whoever reads the test's output."""
    print(outcome)
