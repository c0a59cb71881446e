"""Which links are a lab's, by their names alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.lab.bridged import BridgedLab, is_own_link

TAGS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=6)


@given(TAGS, st.integers(1, 254))
def test_a_lab_recognises_what_it_names_and_linux_takes_it(tag: str, host: int) -> None:
    lab = BridgedLab("tare-x", tag)
    for name in (lab.bridge, f"tare{tag}-cl", f"tare{tag}-{host}"):
        assert is_own_link(name)
        assert len(name) <= 15


@pytest.mark.parametrize(
    "name", ["tare", "tare0", "taremeasures-br", "tare-br", "tareabc-br0", "mytareabc-br", "tareABC-br"]
)
def test_a_strangers_name_that_comes_close_is_not_ours(name: str) -> None:
    assert not is_own_link(name)


@pytest.mark.parametrize("tag", ["", "sevenup", "A1", "a-b", "a\n"])
def test_a_tag_that_would_not_be_recognised_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="tag"):
        BridgedLab("tare-x", tag)
