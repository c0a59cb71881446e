from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.variant import Variant
from reports.labels import MANY_VARIANTS, Look, clear, darker, mix, plain, variant_label, wrapped


def trials(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame([("measured", name, accelerator) for name, accelerator in rows], columns=COLUMNS)


COLUMNS = ["kind", "variant", "accelerator"]


def test_an_emulated_machine_is_never_shown_without_saying_so() -> None:
    assert variant_label("vm", "tcg") == "vm (emulated)"
    assert variant_label("vm", "kvm") == "vm"
    assert variant_label("process", "none") == "process"


def test_a_variant_that_was_emulated_once_is_called_emulated() -> None:
    look = Look.of(trials(("vm", "kvm"), ("vm", "tcg"), ("process", "none")))
    assert look.label("vm") == "vm (emulated)"
    assert look.label("process") == "process"


def test_order_is_by_target_and_the_second_of_a_pair_follows_the_first() -> None:
    measured = trials(("vm", "kvm"), ("swarm", "none"), ("process-aa", "none"), ("container", "none"))
    look = Look.of(measured, [Variant(name="process", workload="w", target="process")])
    assert look.order == ("process", "process-aa", "container", "vm", "swarm")


def test_known_targets_keep_their_colours_whatever_else_is_there() -> None:
    few = Look.of(trials(("process", "none")))
    many = Look.of(trials(("process", "none"), ("process-aa", "none"), ("container", "none"), ("vm", "tcg")))
    assert few.colours["process"] == many.colours["process"]
    assert len(set(many.colours.values())) == 4
    assert len(set(many.symbols.values())) == 4


def test_the_null_service_is_no_variant() -> None:
    frame = pd.DataFrame([("null", "null", "none"), ("measured", "process", "none")], columns=COLUMNS)
    assert Look.of(frame).order == ("process",)


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=30, unique=True))
def test_every_variant_has_a_look(names: list[str]) -> None:
    look = Look.of(trials(*((name, "none") for name in names)))
    assert set(look.order) == set(names)
    assert set(look.colours) == set(look.symbols) == set(look.dashes) == set(look.labels) == set(names)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_stand_out_on_white() -> None:
    names = ["process", "container", "vm", *(f"other{i}" for i in range(6))]
    look = Look.of(trials(*((name, "none") for name in names)))
    for colour in look.colours.values():
        assert 1.05 / (_luminance(colour) + 0.05) >= 3.0, colour


@pytest.mark.parametrize(("white", "expected"), [(0.0, "#102030"), (1.0, "#ffffff"), (0.5, "#889098")])
def test_mix(white: float, expected: str) -> None:
    assert mix("#102030", white) == expected


def test_clear() -> None:
    assert clear("#102030", 0.2) == "rgba(16,32,48,0.2)"


def test_markup_in_a_label_is_made_inert() -> None:
    assert plain("<b>x</b> & y") == "&lt;b&gt;x&lt;/b&gt; &amp; y"


def many() -> list[Variant]:
    """As the shop: three topologies on three targets, directly and behind a proxy."""
    return [
        Variant(
            name=f"{topology}-{target}" + ("" if proxy == "direct" else f"-{proxy}"),
            workload="shop",
            topology=topology,
            target=target,
            proxy=proxy,
        )
        for target in ("vm", "process", "container")
        for topology in ("monolith", "microservices", "polyglot")
        for proxy in ("nginx", "direct")
    ]


def test_sets_are_ordered_by_topology_then_target_then_proxy() -> None:
    look = Look.of(trials().astype(object), many())
    assert look.order[:4] == (
        "monolith-process",
        "monolith-process-nginx",
        "monolith-container",
        "monolith-container-nginx",
    )
    assert look.order[-1] == "polyglot-vm-nginx"
    assert look.crowded


def test_a_hue_is_the_targets_and_what_shares_it_differs_otherwise() -> None:
    look = Look.of(trials().astype(object), many())
    assert look.colours["monolith-vm"] == "#00835f"
    for family in ("process", "container", "vm"):
        mine = [name for name in look.order if look.families[name] == family]
        assert len(mine) == 6
        assert len({(look.colours[name], look.symbols[name]) for name in mine}) == 6
    assert all(1.05 / (_luminance(colour) + 0.05) >= 3.0 for colour in look.colours.values())


def test_of_one_target_the_proxies_have_the_hues() -> None:
    proxies = ("direct", "nginx", "haproxy", "squid")
    look = Look.of(
        trials().astype(object), [Variant(name=f"c-{f}", workload="w", target="container", proxy=f) for f in proxies]
    )
    assert len(set(look.colours.values())) == 4


def test_a_crowd_is_split_into_pictures_and_a_few_are_not() -> None:
    look = Look.of(trials().astype(object), many())
    groups = look.groups(look.order)
    assert [family for family, _ in groups] == ["process", "container", "vm"]
    assert all(len(names) <= MANY_VARIANTS for _, names in groups)
    assert look.groups(look.order[:MANY_VARIANTS]) == [("", list(look.order[:MANY_VARIANTS]))]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("vm (emulated)", "vm (emulated)"),
        ("microservices-container-nginx", "microservices-<br>container-nginx"),
        ("monolith-vm (emulated)", "monolith-vm<br>(emulated)"),
        ("<b>-x", "&lt;b&gt;-x"),
        ("", ""),
    ],
)
def test_a_long_label_is_broken_where_it_may_be(label: str, expected: str) -> None:
    assert wrapped(label) == expected


def test_darker() -> None:
    assert darker("#102030", 0.5) == "#081018"
