"""Whether a request's conditions hold for what there is (RFC 9110, section 13)."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Mapping

LAST_MODIFIED = "Wed, 01 Jan 2020 00:00:00 GMT"
"""Of every object: none ever changes."""

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")


def status_of(fields: Mapping[str, str], tag: str) -> int | None:
    """304 or 412 if a condition decides so, for an object with that entity tag; None if it is to be sent."""
    if (given := fields.get("if-match")) is not None:
        if given != "*" and tag not in _TAG.findall(given):
            return 412
    elif (given := fields.get("if-unmodified-since")) is not None and _unchanged_since(given) is False:
        return 412
    if (given := fields.get("if-none-match")) is not None:
        # A weak comparison: a tag that a cache has weakened still names the same object.
        return 304 if given == "*" or tag in {each.removeprefix("W/") for each in _TAG.findall(given)} else None
    if (given := fields.get("if-modified-since")) is not None and _unchanged_since(given):
        return 304
    return None


def range_holds(fields: Mapping[str, str], tag: str) -> bool:
    """Whether a range may be sent: without If-Range, or if it names exactly what there is."""
    return fields.get("if-range", tag) in (tag, LAST_MODIFIED)


def _unchanged_since(date: str) -> bool | None:
    """Whether that date is not before the last change; None for what is no date, which is no condition."""
    if date == LAST_MODIFIED:
        return True
    moments = (_moment(date, pattern) for pattern in _DATES)
    moment = next((found for found in moments if found is not None), None)
    return None if moment is None else moment >= _CHANGED


def _moment(date: str, pattern: str) -> int | None:
    try:
        return calendar.timegm(time.strptime(date, pattern))
    except ValueError:
        return None


_CHANGED = _moment(LAST_MODIFIED, _DATES[0]) or 0
