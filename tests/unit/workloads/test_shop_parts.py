"""The parts of the shop that need no server: its seed, passwords, databases, baskets, settings and files."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import passwords, seed, settings
from shop.orders import Line, Order, Orders, answer_text, basket_text, event_text
from shop.stock import Paid, Stock

from harness.spec.files import read_workload
from harness.spec.topology import launch_order

FOLDER = Path(__file__).resolve().parents[3] / "workloads" / "shop"
KEYS = {"SHOP_SIGNING_KEY": "a", "SHOP_VERIFY_KEY": "b"}


@pytest.fixture
def stock(tmp_path: Path) -> Stock:
    return Stock(tmp_path / "catalog.db")


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    return Orders(tmp_path / "payments.db")


def paid(event: str, *items: tuple[int, int]) -> Paid:
    return Paid(event, items, 1, 2)


def order(number: str, basket: str = "[[1, 1]]") -> Order:
    return Order(number, basket, f'{{"id":"{number}"}}')


def test_the_seed_is_a_thousand_items_with_names_of_their_own() -> None:
    items = seed.items()
    assert items == seed.items()
    assert [number for number, *_ in items] == list(range(1, 1001))
    assert len({name for _, name, *_ in items}) == 1000
    assert all(100 <= price <= 10_000 and left > 100_000 for *_, price, left in items)
    assert len(set(seed.users())) == seed.USERS


@given(password=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), other=st.text(max_size=20))
def test_a_password_matches_its_hash_alone(password: str, other: str) -> None:
    kept = passwords.hashed(password)
    assert passwords.matches(password, kept)
    assert passwords.hashed(password) != kept, "salted"
    assert password not in kept or len(password) < 8
    # scrypt keys an HMAC with the password, and RFC 2104 fills up a key that is shorter than a block with zeros.
    if other.isascii() and other.rstrip("\0") != password.rstrip("\0"):
        assert not passwords.matches(other, kept)


def test_an_event_is_applied_once(stock: Stock) -> None:
    before = [stock.left(number) for number in (1, 2, 3)]
    assert stock.apply(paid("a", (1, 2), (2, 5)), 3)
    assert not stock.apply(paid("a", (1, 2), (2, 5)), 4)
    assert stock.apply(paid("b", (1, 1)), 5)
    assert [stock.left(number) for number in (1, 2, 3)] == [100_001 - 3, 100_002 - 5, before[2]]
    assert stock.applied == 2
    assert [(row["event"], row["applied_ns"]) for row in stock.stamps(10)] == [("a", 3), ("b", 5)]
    assert [row["event"] for row in stock.stamps(1)] == ["b"]


def test_what_was_applied_is_known_after_a_restart_and_a_new_database_is_another(tmp_path: Path) -> None:
    stock = Stock(tmp_path / "one" / "catalog.db")
    stock.apply(paid("a", (1, 1)), 3)
    stock.close()
    again = Stock(tmp_path / "one" / "catalog.db")
    assert (again.applied, again.left(1), again.identity) == (1, 100_000, stock.identity)
    assert not again.apply(paid("a", (1, 1)), 4)
    assert Stock(tmp_path / "other" / "catalog.db").identity != stock.identity


def test_an_event_that_fails_halfway_leaves_nothing(stock: Stock) -> None:
    with pytest.raises(sqlite3.Error):
        stock.apply(Paid("a", ((1, 1), (2, "x" * 3)), 1, [2]), 3)  # type: ignore[arg-type]  # what SQLite cannot hold
    assert (stock.left(1), stock.applied, list(stock.stamps(5))) == (100_001, 0, [])


@pytest.mark.parametrize(
    ("query", "total"), [("", 1000), ("lamp", 100), ("OAK LAMP", 10), ("%", 0), ("_", 0), ("lamp\0", 0), ("x'--", 0)]
)
def test_a_search_takes_every_character_as_it_is(stock: Stock, query: str, total: int) -> None:
    assert stock.page(1, 100, query)[1] == total


def test_an_order_and_its_event_are_kept_together_and_once(orders: Orders) -> None:
    assert orders.pay("ann", "key", order("1"), "event 1") == order("1")
    assert orders.pay("ann", "key", order("2"), "event 2") == order("1"), "the earlier one"
    assert orders.pay("bob", "key", order("3"), "event 3") == order("3")
    assert [(each.event, each.payload) for each in orders.pending(10)] == [("1", "event 1"), ("3", "event 3")]
    assert orders.counts() == (2, 2)
    assert orders.by_id("ann", "1") == order("1")
    assert orders.by_id("bob", "1") is None


def test_neither_is_kept_if_one_cannot_be(orders: Orders) -> None:
    orders.pay("ann", "key", order("1"), "event")
    with pytest.raises(sqlite3.IntegrityError):
        orders.pay("bob", "key", order("1"), "event")
    assert orders.counts() == (1, 1)


def test_events_are_pending_until_published_and_again_for_a_new_stream(orders: Orders) -> None:
    assert orders.publish_into("stream 1")
    for number in "123":
        orders.pay("ann", f"key {number}", order(number), "event")
    assert [each.event for each in orders.pending(2)] == ["1", "2"]
    orders.published([each.number for each in orders.pending(2)])
    assert [each.event for each in orders.pending(10)] == ["3"]
    assert not orders.publish_into("stream 1")
    assert orders.publish_into("stream 2"), "the broker has lost its store"
    assert [each.event for each in orders.pending(10)] == ["1", "2", "3"]


@given(st.dictionaries(st.integers(1, 10**9 - 1), st.integers(1, 100), min_size=1, max_size=20))
def test_the_order_of_lines_makes_no_other_basket(basket: dict[int, int]) -> None:
    lines = [Line(*pair) for pair in basket.items()]
    assert basket_text(lines) == basket_text(lines[::-1])
    assert json.loads(basket_text(lines)) == [list(pair) for pair in sorted(basket.items())]


def test_an_answer_and_an_event_tell_the_same_order() -> None:
    lines = [Line(2, 3), Line(1, 1)]
    answer = json.loads(answer_text("f" * 32, lines, {1: 100, 2: 7}))
    assert answer["total_cents"] == 121
    assert [item["price_cents"] for item in answer["items"]] == [7, 100]
    event = json.loads(event_text("f" * 32, lines, 10**18))
    assert (event["event"], event["type"], event["paid_ns"]) == ("f" * 32, "order.paid", 10**18)
    assert event["items"] == [{"id": 2, "quantity": 3}, {"id": 1, "quantity": 1}]


def test_settings_say_what_is_served_and_where_the_rest_is() -> None:
    whole = settings.Settings.of({**KEYS, "SHOP_BROKER": "b:1", "SHOP_CATALOG": "c:1"})
    assert (whole.serves, whole.catalog, whole.version) == (settings.FUNCTIONS, "", "1")
    one = settings.Settings.of(
        {**KEYS, "SHOP_SERVES": "payments", "SHOP_BROKER": "b:1", "SHOP_CATALOG": "c:1", "SHOP_VERSION": "2"}
    )
    assert (one.serves, one.catalog, one.version) == (("payments",), "c:1", "2")
    assert one.database("payments") == Path("/tmp/shop-payments/payments.db")


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"SHOP_SERVES": "auth,cart"}, "'cart'"),
        ({"SHOP_SERVES": "auth"}, "SHOP_SIGNING_KEY"),
        ({"SHOP_SERVES": "catalog"}, "SHOP_BROKER"),
        ({"SHOP_SERVES": "payments", "SHOP_VERIFY_KEY": "k"}, "SHOP_BROKER"),
        ({"SHOP_SERVES": "payments", "SHOP_VERIFY_KEY": "k", "SHOP_BROKER": "b:1"}, "SHOP_CATALOG"),
    ],
)
def test_settings_that_cannot_work_are_refused(env: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        settings.Settings.of(env)


def test_the_workload_file_describes_three_topologies_of_one_api() -> None:
    workload = read_workload(FOLDER)
    assert set(workload.sets) == {"monolith", "microservices", "polyglot"}
    orders = {name: launch_order(made, workload.members) for name, made in workload.sets.items()}
    assert orders["microservices"].index("broker") < orders["microservices"].index("catalog")
    assert orders["polyglot"].index("catalog") < orders["polyglot"].index("payments-node")
    for topology in workload.sets.values():
        assert [step.path for step in topology.first] == ["/auth/register", "/auth/login", "/payments"]
        assert all(topology.route_of(each.path) in topology.services for each in workload.exchanges)
    assert {name for name, member in workload.services.items() if member.next} == set(workload.services) - {"broker"}


def test_the_locks_are_hashed_and_name_no_registry() -> None:
    lock = (FOLDER / "app" / "requirements.lock").read_text("utf-8")
    pinned = [line for line in lock.splitlines() if "==" in line]
    assert lock.count("--hash=sha256:") > len(pinned) >= 20
    assert "http" not in lock.replace("httptools", "").replace("aiohttp", "")
    packages = json.loads((FOLDER / "node" / "package-lock.json").read_text("utf-8"))["packages"]
    assert all("integrity" in package for name, package in packages.items() if name)
    assert not any("resolved" in package for package in packages.values())
    assert not any(package.get("hasInstallScript") for package in packages.values())
