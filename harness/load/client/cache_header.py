"""What a response's header says that a cache made of the request."""

from __future__ import annotations

from harness.load.client.http import Response
from harness.load.plan.load_plan import OutcomeWords
from harness.load.recorder import CACHE_WORDS, Cache


class CacheReader:
    """Reads one header: the first pair whose text the value begins with, in any case, gives the word."""

    def __init__(self, header: OutcomeWords) -> None:
        name, words = header
        self._name = name.lower()
        self._words = [(begins.lower(), Cache(CACHE_WORDS.index(word))) for begins, word in words]

    def read(self, response: Response) -> Cache:
        """NONE for a response without the header, and for a value that no pair is for."""
        value = response.headers.get(self._name)
        if value is None:
            return Cache.NONE
        value = value.lower()
        for begins, cache in self._words:
            if value.startswith(begins):
                return cache
        return Cache.NONE
