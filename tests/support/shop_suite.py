"""What every shop must do, whatever it is made of and wherever it runs. Each check takes a running one (ShopAt).

The checks can be run in any order, again and again, against one and the same shop.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.support.shop_at import FIRST_PASSWORD, ShopAt

ITEMS = 1000
FIRST_STOCK = 100_000

Check = Callable[[ShopAt], None]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Adds a check to the suite."""
    CHECKS.append(function)
    return function


def anew(what: str) -> str:
    """A name, or an idempotency key, that nobody has used."""
    return f"{what}-{secrets.token_hex(6)}"


def price(number: int) -> int:
    """What an item costs in cents: written here once more, so that the shop's own formula is checked."""
    return 100 + (number * 7919) % 9901


@check
def every_function_says_that_it_can_serve(shop: ShopAt) -> None:
    for name in ("auth", "catalog", "payments"):
        health = shop.get(f"/{name}/health")
        assert (health["service"], health["status"]) == (name, "ok")
        assert health["version"] in ("1", "2")


@check
def registering_is_repeatable_for_whoever_knows_the_password(shop: ShopAt) -> None:
    name = anew("ann")
    given = {"name": name, "password": FIRST_PASSWORD}
    for _ in range(2):
        answer = shop.call("POST", "/auth/register", given)
        assert (answer.status_code, answer.json()) == (201, {"name": name})
    taken = shop.call("POST", "/auth/register", {"name": name, "password": "something else"})
    assert taken.status_code == 409
    assert shop.call("POST", "/auth/login", {"name": name, "password": "something else"}).status_code == 401
    assert shop.call("POST", "/auth/login", {"name": anew("nobody"), "password": FIRST_PASSWORD}).status_code == 401
    assert shop.call("POST", "/auth/login", given).json()["expires_in"] == 3600


@check
def the_seeded_users_can_log_in(shop: ShopAt) -> None:
    for name in ("user-001", "user-100"):
        answer = shop.call("POST", "/auth/login", {"name": name, "password": "weigh the empty box"})
        assert answer.status_code == 200
    assert shop.call("POST", "/auth/login", {"name": "user-101", "password": "weigh the empty box"}).status_code == 401


@check
def the_pages_hold_every_item_once(shop: ShopAt) -> None:
    found: list[int] = []
    for page in range(1, 12):
        answer = shop.get(f"/catalog/items?page={page}&per_page=99")
        assert (answer["page"], answer["per_page"], answer["total"]) == (page, 99, ITEMS)
        found += [item["id"] for item in answer["items"]]
    assert found == list(range(1, ITEMS + 1))
    assert shop.get("/catalog/items?page=12&per_page=99")["items"] == []
    assert [item["id"] for item in shop.get("/catalog/items")["items"]] == list(range(1, 21))


@check
def a_search_finds_what_holds_the_words_and_nothing_else(shop: ShopAt) -> None:
    found = shop.get("/catalog/items?q=BRASS%20lamp&per_page=100")
    assert found["total"] == len(found["items"]) == 10
    assert all("brass lamp" in item["name"] for item in found["items"])
    assert (
        shop.get("/catalog/items?q=brass&per_page=7&page=15")["items"]
        == shop.get("/catalog/items?q=brass&per_page=100")["items"][98:]
    )
    for wildcard in ("%25", "_", "%5C", "lamp%00"):
        assert shop.get(f"/catalog/items?q={wildcard}")["total"] == 0


@check
def an_item_has_a_name_a_price_and_a_stock(shop: ShopAt) -> None:
    names = set()
    for number in (1, 2, 500, ITEMS):
        item = shop.get(f"/catalog/items/{number}")
        assert set(item) == {"id", "name", "price_cents"}
        assert (item["id"], item["price_cents"]) == (number, price(number))
        assert shop.get(f"/catalog/items/{number}/stock").keys() == {"id", "stock"}
        assert shop.stock(number) <= FIRST_STOCK + number
        names.add(item["name"])
    assert len(names) == 4
    prices = shop.get(f"/catalog/prices?ids=1,{ITEMS},{ITEMS + 1}")["prices"]
    assert prices == {"1": price(1), str(ITEMS): price(ITEMS)}


@check
def what_is_no_item_is_refused(shop: ShopAt) -> None:
    for number in (ITEMS + 1, 999_999_999):
        assert shop.call("GET", f"/catalog/items/{number}").status_code == 404
        assert shop.call("GET", f"/catalog/items/{number}/stock").status_code == 404
    for text in ("0", "-1", "x", "1.0", "1e3", "9" * 40, "%D9%A1"):
        assert shop.call("GET", f"/catalog/items/{text}").status_code == 422
    for query in ("page=0", "page=x", "per_page=101", "per_page=0", "page=", f"q={'x' * 65}", "page=1e9"):
        assert shop.call("GET", f"/catalog/items?{query}").status_code == 422
    for query in ("", "ids=", "ids=1,,2", "ids=1,x", f"ids={','.join('1' * 21)}"):
        assert shop.call("GET", f"/catalog/prices?{query}").status_code == 422
    for query in ("last=-1", "last=x", "last=10001"):
        assert shop.call("GET", f"/catalog/events?{query}").status_code == 422


@check
def a_paid_order_lowers_the_stock_by_what_was_bought(shop: ShopAt) -> None:
    token = shop.token(anew("buyer"))
    shop.settled()
    before = {number: shop.stock(number) for number in (11, 12, 13)}
    answer = shop.pay(token, anew("order"), (12, 3), (11, 100))
    assert answer.status_code == 201, answer.text
    order = answer.json()
    assert order["status"] == "paid"
    assert order["total_cents"] == 3 * price(12) + 100 * price(11)
    assert order["items"] == [
        {"id": 12, "quantity": 3, "price_cents": price(12)},
        {"id": 11, "quantity": 100, "price_cents": price(11)},
    ]
    assert answer.headers["location"] == f"/payments/{order['id']}"
    assert shop.call("GET", f"/payments/{order['id']}", token=token).content == answer.content
    shop.settled()
    assert {number: before[number] - shop.stock(number) for number in before} == {11: 100, 12: 3, 13: 0}


@check
def an_order_is_its_buyers_alone(shop: ShopAt) -> None:
    mine, theirs = shop.token(anew("mine")), shop.token(anew("theirs"))
    key = anew("order")
    order = shop.pay(mine, key, (1, 1)).json()["id"]
    assert shop.call("GET", f"/payments/{order}", token=theirs).status_code == 404
    assert shop.call("GET", f"/payments/{order}").status_code == 401
    other = shop.pay(theirs, key, (1, 1))
    assert other.status_code == 201
    assert other.json()["id"] != order, "an idempotency key is one user's"


@check
def a_replayed_payment_is_the_same_order_and_no_second_event(shop: ShopAt) -> None:
    token, key = shop.token(anew("again")), anew("order")
    applied, stock, orders = shop.settled(), shop.stock(21), shop.orders()
    first = shop.pay(token, key, (21, 2), (22, 1))
    replays = [shop.pay(token, key, (21, 2), (22, 1)), shop.pay(token, key, (22, 1), (21, 2))]
    assert first.status_code == 201
    assert "idempotent-replayed" not in first.headers
    for replay in replays:
        assert (replay.status_code, replay.content) == (201, first.content)
        assert replay.headers["idempotent-replayed"] == "true"
    another = shop.pay(token, key, (21, 3), (22, 1))
    assert another.status_code == 409
    assert (shop.settled(), shop.orders(), shop.stock(21)) == (applied + 1, orders + 1, stock - 2)


@check
def one_key_used_by_many_at_once_pays_once(shop: ShopAt) -> None:
    token, key, orders = shop.token(anew("hasty")), anew("order"), shop.orders()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shop.pay(token, key, (31, 1)), range(24)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert shop.orders() == orders + 1


@check
def what_is_no_basket_is_refused_and_changes_nothing(shop: ShopAt) -> None:
    token, orders = shop.token(anew("wrong")), shop.orders()
    line: dict[str, Any] = {"id": 1, "quantity": 1}
    odd_quantities: list[object] = [0, 101, -1, 1.5, True, "1", None, [], 10**30]
    odd_ids: list[object] = [0, -1, 1.5, True, "1", None, ITEMS + 1, 10**30]
    wrong: list[object] = [
        {}, {"items": []}, {"items": {}}, {"items": [line] * 2}, {"items": [[1, 1]]}, {"items": [line], "coupon": 1},
        {"items": [{"id": number, "quantity": 1} for number in range(1, 22)]}, {"items": [{**line, "price_cents": 1}]},
        *({"items": [{**line, "quantity": odd}]} for odd in odd_quantities),
        *({"items": [{**line, "id": odd}]} for odd in odd_ids),
    ]  # fmt: skip
    for basket in wrong:
        assert shop.call("POST", "/payments", basket, token=token, key=anew("order")).status_code == 422, basket
    for key in ("", "short", "x" * 65, "with space", "semi;colon"):
        assert shop.pay(token, key, (1, 1)).status_code == 400, key
    assert shop.orders() == orders
    whole = shop.call("POST", "/payments", {"items": [{"id": 1.0, "quantity": 2.0}]}, token=token, key=anew("order"))
    assert whole.status_code == 201, "JSON has no integers: 2.0 is 2"
    assert whole.json()["items"] == [{"id": 1, "quantity": 2, "price_cents": price(1)}]


@check
def what_is_not_served_is_refused_in_json(shop: ShopAt) -> None:
    for path in ("/catalog", "/catalog/", "/catalog/nothing", "/auth/nothing", "/payments/a/b", "/catalog/items/"):
        assert shop.call("GET", path).status_code == 404, path
    for method, path, allowed in (
        ("GET", "/payments", "POST"), ("DELETE", "/catalog/items/1", "GET"), ("PUT", "/auth/login", "POST"),
        ("POST", "/payments/outbox", "GET"), ("PATCH", "/payments/health", "GET"),
    ):  # fmt: skip
        answer = shop.call(method, path)
        assert answer.status_code == 405, path
        assert allowed in answer.headers["allow"]
