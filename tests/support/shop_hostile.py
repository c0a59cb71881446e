"""Hostile input for a shop, as checks of the suite: answered with 4xx, and nothing is changed by it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support import shop_suite
from tests.support.shop_at import FIRST_PASSWORD, ShopAt
from tests.support.shop_suite import Check, anew
from tests.support.shop_tokens import bad_tokens

LIMIT_BYTES = 64 * 1024
SQL = (
    "' OR '1'='1",
    "1; DROP TABLE items;--",
    "1' UNION SELECT name, password, 1 FROM users--",
    '"; DELETE FROM orders;',
)
PATHS = ("../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "....//etc/passwd", "%00")
MALFORMED = (b"", b"{", b'{"items":', b"\xff\xfe", b"{'items':[]}", b'{"items":[NaN]}', b"[" * 50_000, b'"\xc3"', b"\0")
CREDENTIALS = (("a", FIRST_PASSWORD), ("UPPER", FIRST_PASSWORD), ("ok-name", "short"), ("ok-name", "x" * 129))


def hostile_checks(signing_key: str, verify_key: str) -> list[Check]:
    """The checks. The keys are those of the shop: some bad tokens are signed by auth's own."""

    def no_bad_token_pays_or_reads(shop: ShopAt) -> None:
        user = anew("victim")
        good = shop.token(user)
        order = shop.pay(good, anew("order"), (1, 1)).json()["id"]
        orders = shop.orders()
        for what, token in bad_tokens(user, signing_key, verify_key, good).items():
            assert shop.pay(token, anew("order"), (1, 1)).status_code == 401, what
            assert shop.call("GET", f"/payments/{order}", token=token).status_code == 401, what
        for scheme in ("", "Basic ", "Token "):
            headers = {"authorization": f"{scheme}{good}"}
            assert shop.call("GET", f"/payments/{order}", headers=headers).status_code == 401, scheme
        assert shop.orders() == orders
        assert shop.call("GET", f"/payments/{order}", headers={"authorization": f"bearer {good}"}).status_code == 200

    return [no_bad_token_pays_or_reads, no_injection_changes_anything, no_body_is_too_odd]


def no_injection_changes_anything(shop: ShopAt) -> None:
    """SQL and paths, wherever a value is taken."""
    token, orders = shop.token(anew("injector")), shop.orders()
    for text in SQL:
        for path in (f"/catalog/items/{text}", f"/catalog/items/{text}/stock", f"/catalog/prices?ids={text}"):
            assert shop.call("GET", path).status_code in (404, 422), path
        assert shop.client.get(f"{shop.base('/catalog')}/catalog/items", params={"q": text}).json()["total"] == 0
        assert shop.client.get(f"{shop.base('/catalog')}/catalog/items", params={"page": text}).status_code == 422
        assert shop.call("GET", f"/payments/{text}", token=token).status_code == 404
        assert shop.pay(token, text, (1, 1)).status_code == 400
        given = {"name": text, "password": text}
        assert shop.call("POST", "/auth/login", given).status_code == 422
        given = {"name": "user-001", "password": f"{text} and so on"}
        assert shop.call("POST", "/auth/login", given).status_code == 401
        basket = {"items": [{"id": text, "quantity": 1}]}
        assert shop.call("POST", "/payments", basket, token=token, key=anew("order")).status_code == 422
    for path in PATHS:
        for prefix in ("/catalog/items/", "/payments/", "/auth/"):
            answer = shop.call("GET", f"{prefix}{path}", token=token)
            assert answer.status_code in (400, 404, 422), path
            assert b"root:" not in answer.content
    assert shop.orders() == orders
    shop_suite.the_pages_hold_every_item_once(shop)
    shop_suite.the_seeded_users_can_log_in(shop)


def no_body_is_too_odd(shop: ShopAt) -> None:
    """Oversized and malformed bodies, where bodies are read."""
    token, orders = shop.token(anew("odd")), shop.orders()
    for path in ("/auth/register", "/auth/login", "/payments"):
        for content in MALFORMED:
            answer = shop.call("POST", path, content=content, token=token, key=anew("order"))
            assert answer.status_code == 400, (path, content[:20], answer.text)
        for content in (b"[]", b"null", b"1", b'"text"', b"{}", b'{"__proto__":{"items":1}}'):
            answer = shop.call("POST", path, content=content, token=token, key=anew("order"))
            assert answer.status_code == 422, (path, content, answer.text)
        for oversized in (b" " * (LIMIT_BYTES + 1), _chunks(LIMIT_BYTES + 4096)):
            assert _sent(shop, path, oversized, token) == 413, path
        assert _sent(shop, path, b" " * (LIMIT_BYTES - 2) + b"{}", token) == 422, "the limit itself is allowed"
    for name, password in CREDENTIALS:
        assert shop.call("POST", "/auth/register", {"name": name, "password": password}).status_code == 422
    half = rb'{"name":"ok-name","password":"half a character: \ud800"}'
    assert shop.call("POST", "/auth/register", content=half).status_code == 422
    assert shop.orders() == orders


def _chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 1024):
        yield b" " * 1024


def _sent(shop: ShopAt, path: str, content: bytes | Iterator[bytes], token: str) -> int:
    headers = {"authorization": f"Bearer {token}", "idempotency-key": anew("order"), "content-type": "application/json"}
    return shop.client.post(f"{shop.base(path)}{path}", content=content, headers=headers).status_code
