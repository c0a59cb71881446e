"""Many paid orders, with the broker dying meanwhile: exactly once in effect, or it fails."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from tests.support.shop_at import ShopAt
from tests.support.shop_suite import anew

IN_FLIGHT = 16
ITEMS = 50
_PATIENCE_S = 60
_STAMPS = 10_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was seen: how long it took, and how long events were under way, in milliseconds (the kernel's own clock)."""

    orders: int
    replies_lost: int
    paying_s: float
    settling_s: float
    propagation_p50_ms: float
    propagation_p99_ms: float
    propagation_max_ms: float


def many_orders(shop: ShopAt, restart_broker: Callable[[], None], orders: int, restarts: int, seed: int = 1) -> Outcome:
    """Pay ``orders`` orders, calling ``restart_broker`` at even distances meanwhile, and see that each counts once.

    ``restart_broker`` returns when there is a broker again; orders are paid in the meantime. An order that is not
    answered with 201 is sent again with its key. At the end: every order has its event, each event was applied once,
    and the stock is lower by exactly what was bought.
    """
    rng = random.Random(seed)
    token = shop.token(anew("wholesaler"))
    applied, known = shop.settled(), shop.orders()
    stock = {number: shop.stock(number) for number in range(1, ITEMS + 1)}
    baskets = [_basket(rng) for _ in range(orders)]
    begun = time.monotonic()
    ids, lost = asyncio.run(_pay_all(shop.base("/payments"), token, baskets, restart_broker, restarts))
    paid = time.monotonic()
    assert shop.settled(_PATIENCE_S) - applied == orders, "an event was lost or applied twice"
    settled = time.monotonic()
    assert shop.orders() - known == len(set(ids)) == orders
    bought: Counter[int] = Counter()
    for basket in baskets:
        bought.update(basket)
    left = {number: shop.stock(number) for number in stock}
    assert left == {number: stock[number] - bought[number] for number in stock}
    events = shop.get(f"/catalog/events?last={min(orders, _STAMPS)}")
    assert events["refused"] == 0
    assert {row["event"] for row in events["last"]} <= set(ids)
    ways = sorted((row["applied_ns"] - row["paid_ns"]) / 1e6 for row in events["last"] if row["paid_ns"] is not None)
    p50, p99 = (ways[int(len(ways) * share)] for share in (0.5, 0.99)) if ways else (0.0, 0.0)
    worst = ways[-1] if ways else 0.0
    return Outcome(orders, lost, paid - begun, settled - paid, p50, p99, worst)


def _basket(rng: random.Random) -> dict[int, int]:
    return {number: rng.randint(1, 5) for number in rng.sample(range(1, ITEMS + 1), rng.randint(1, 3))}


async def _pay_all(
    base: str, token: str, baskets: list[dict[int, int]], restart: Callable[[], None], restarts: int
) -> tuple[list[str], int]:
    """The orders' ids, and how many answers were not 201."""
    ids: list[str] = []
    lost = 0
    waiting = iter([(anew("order"), basket) for basket in baskets])
    due = [len(baskets) * (place + 1) // (restarts + 1) for place in range(restarts)]
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=30) as client:

        async def buyer() -> None:
            nonlocal lost
            for key, basket in waiting:
                until = time.monotonic() + _PATIENCE_S
                while (order := await _paid(client, token, key, basket)) is None:
                    lost += 1
                    assert time.monotonic() < until, "an order could not be paid"
                    await asyncio.sleep(0.05)
                ids.append(order)

        async def saboteur() -> None:
            for count in due:
                while len(ids) < count:
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(restart)

        await asyncio.gather(saboteur(), *(buyer() for _ in range(IN_FLIGHT)))
    return ids, lost


async def _paid(client: httpx.AsyncClient, token: str, key: str, basket: dict[int, int]) -> str | None:
    content = {"items": [{"id": number, "quantity": quantity} for number, quantity in basket.items()]}
    headers = {"authorization": f"Bearer {token}", "idempotency-key": key}
    try:
        answer = await client.post("/payments", json=content, headers=headers)
    except httpx.TransportError:
        return None
    return str(answer.json()["id"]) if answer.status_code == 201 else None
