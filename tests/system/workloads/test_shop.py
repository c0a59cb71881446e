"""The contract of the workload ``shop``: one suite for every topology of it, deployed on the targets."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from schemathesis import GenerationMode

from harness.targets.registry import make
from tests.support import shop
from tests.support.deploy import bridged_lab
from tests.support.shop_hostile import hostile_checks
from tests.support.shop_openapi import MODES, answers_are_as_documented, every_documented_status_is_met
from tests.support.shop_suite import CHECKS, Check

pytestmark = pytest.mark.timeout(1500)

SUITE = [*CHECKS, *hostile_checks(shop.SIGNING_KEY, shop.VERIFY_KEY), every_documented_status_is_met]


DEPLOYMENTS = [
    *((topology, target) for target in ("process", "container") for topology in shop.TOPOLOGIES),
    ("monolith", "vm"),
]


@pytest.fixture(scope="module", params=DEPLOYMENTS, ids="-".join)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[shop.DeployedShop]:
    """One shop of each deployment, which all checks share."""
    topology, target = request.param
    scratch = tmp_path_factory.mktemp(f"shop-{secrets.token_hex(2)}")
    with bridged_lab("shop") as lab, shop.deployed_shop(topology, make(target), lab, scratch) as made:
        yield made


@pytest.mark.parametrize("check", SUITE, ids=lambda check: check.__name__)
def test_the_shop(running: shop.DeployedShop, check: Check) -> None:
    check(running.at)


@pytest.mark.parametrize(("operation", "mode"), MODES, ids=str)
def test_made_up_requests_are_answered_as_documented(
    running: shop.DeployedShop, operation: str, mode: GenerationMode
) -> None:
    answers_are_as_documented(running.at, operation, mode, running.at.token("api-tester"))
