"""HAProxy's own: how a word is quoted."""

from __future__ import annotations

import shlex

from hypothesis import given
from hypothesis import strategies as st

from harness.proxies.haproxy.proxy import quoted


@given(st.text(st.characters(exclude_characters="\0\r\n")))
def test_a_word_is_read_back_as_it_is(word: str) -> None:
    # HAProxy's strong quotes are the shell's (configuration manual, 2.2).
    assert shlex.split(quoted(word)) == [word]
