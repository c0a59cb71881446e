"""What every new shop holds: the same 1,000 items and 100 users, computed, never drawn."""

from __future__ import annotations

from itertools import product

ITEMS = 1000
USERS = 100
PASSWORD = "weigh the empty box"
"""The one password of the seeded users: a second hash for each would cost startup time and show nothing more."""

_SIZES = ("tiny", "small", "short", "slim", "plain", "wide", "tall", "large", "heavy", "giant")
_STUFFS = ("oak", "brass", "steel", "glass", "wool", "paper", "copper", "clay", "cork", "linen")
_THINGS = ("lamp", "chair", "scale", "bowl", "crate", "kettle", "shelf", "basket", "clock", "ladder")


def items() -> list[tuple[int, str, int, int]]:
    """(id, name, price in cents, stock) of every item. No two have one name."""
    names = [" ".join(words) for words in product(_SIZES, _STUFFS, _THINGS)]
    return [(number, name, price(number), stock(number)) for number, name in enumerate(names, start=1)]


def price(number: int) -> int:
    """The price of an item in cents: 100 to 10,000."""
    return 100 + number * 7919 % 9901


def stock(number: int) -> int:
    """How many of an item there are at first."""
    return 100_000 + number


def users() -> list[str]:
    """The names of the seeded users."""
    return [f"user-{number:03d}" for number in range(1, USERS + 1)]
