"""What a response's header says of a cache."""

from __future__ import annotations

import pytest

from harness.load.client.cache_header import CacheReader
from harness.load.client.http import Response
from harness.load.recorder import Cache

WORDS = (("hit-stale", "stale"), ("HIT", "hit"), ("miss", "miss"), ("uncacheable", "pass"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("hit", Cache.HIT),
        ("Hit from there", Cache.HIT),
        ("HIT-STALE", Cache.STALE),  # the first pair that fits
        ("MISS", Cache.MISS),
        ("UNCACHEABLE", Cache.PASS),
        ("a hit", Cache.NONE),  # not its beginning
        ("", Cache.NONE),
        (None, Cache.NONE),
    ],
)
def test_the_first_pair_whose_text_the_value_begins_with_gives_the_word(value: str | None, expected: Cache) -> None:
    headers = {} if value is None else {"x-cache": value}
    assert CacheReader(("X-Cache", WORDS)).read(Response(200, headers, b"", 1, 2)) is expected
