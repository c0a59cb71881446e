"""The contract of the workload ``shop``: one suite for every topology of it, each deployed on real targets."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from harness.targets.registry import make
from tests.support import shop
from tests.support.deploy import bridged_lab
from tests.support.shop_hostile import hostile_checks
from tests.support.shop_suite import CHECKS, Check

pytestmark = [pytest.mark.targets, pytest.mark.timeout(600)]

SUITE = [*CHECKS, *hostile_checks(shop.SIGNING_KEY, shop.VERIFY_KEY)]


@pytest.fixture(scope="module", params=shop.TOPOLOGIES)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[shop.DeployedShop]:
    """One shop of each topology, which all checks share."""
    scratch = tmp_path_factory.mktemp(f"shop-{secrets.token_hex(2)}")
    with bridged_lab("shop") as lab, shop.deployed_shop(request.param, make("process"), lab, scratch) as made:
        yield made


@pytest.mark.parametrize("check", SUITE, ids=lambda check: check.__name__)
def test_the_shop(running: shop.DeployedShop, check: Check) -> None:
    check(running.at)
