"""Every mistake in an experiment's file is named by file, key and what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ExitCode, SpecError
from harness.spec.experiment import Experiment
from harness.spec.files import experiment_of, read_experiment, spec_digest
from harness.spec.sequence import TraceSpec

GOOD = """
name = "good"
question = "What does it cost?"
workload = "hello"
baseline = "process"
repeats = 4
seed = 7

[matrix]
targets = ["process", "vm"]
aa = "process"

[limits]
cpus = 1
memory_mib = 256

[load]
rates_rps = [100, 200.5]
duration_s = 6

[quick]
repeats = 2

[quick.load]
capacity_shares = [0.5]
duration_s = 1
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to(text: str) -> Path:
        path = tmp_path / "bench.toml"
        path.write_text(text, "utf-8")
        return path

    return to


def mistake(path: Path, *, quick: bool = False) -> SpecError:
    """What reading the file raises: about the file, and in one line each."""
    with pytest.raises(SpecError) as caught:
        read_experiment(path, quick=quick)
    assert str(path) in caught.value.what
    assert "\n" not in caught.value.what + caught.value.remedy
    assert caught.value.remedy
    assert caught.value.exit_code is ExitCode.USAGE
    return caught.value


def test_a_good_file_is_read_with_its_defaults(write: Write) -> None:
    found = read_experiment(write(GOOD))
    assert (found.name, found.repeats, found.seed, found.limits.memory_mib) == ("good", 4, 7, 256)
    assert found.load.rates_rps == (100.0, 200.5)
    assert (found.load.arrivals, found.validity.max_steal) == ("poisson", 0.02)
    assert found.image is None


@pytest.mark.parametrize(
    ("old", "new", "key", "allowed"),
    [
        ("repeats = 4", "repeat = 4", "repeat is not a known key", "repeats"),
        ("memory_mib", "memory", "limits.memory is not a known key", "cpus, memory_mib"),
        ("repeats = 4", 'repeats = "four"', "repeats: input should be a valid integer (given: 'four')", "at least 1"),
        ("repeats = 4", "repeats = 2.5", "repeats", "at most 1000"),
        ("repeats = 4", "repeats = -1", "repeats", "at least 1"),
        ("repeats = 4", "repeats = 1000000", "repeats", "at most 1000"),
        ("seed = 7", "seed = -7", "seed", "at least 0"),
        ("cpus = 1", "cpus = 0", "limits.cpus", "more than 0"),
        ("cpus = 1", "cpus = nan", "limits.cpus", "more than 0"),
        ("memory_mib = 256", "memory_mib = 1", "limits.memory_mib", "at least 64"),
        ("memory_mib = 256", "memory_mib = true", "limits.memory_mib", "at least 64"),
        ("duration_s = 6", "duration_s = -6", "load.duration_s", "more than 0"),
        ("duration_s = 6", "duration_s = 1e9", "load.duration_s", "at most 3600"),
        ("duration_s = 6", "duration_s = inf", "load.duration_s", "at most 3600"),
        ("duration_s = 6", "duration_s = 6\nmax_in_flight = 0", "load.max_in_flight", "at least 1"),
        ("duration_s = 6", "duration_s = 6\nnull_steps = 1", "load.null_steps", "at least 2"),
        ("duration_s = 6", 'duration_s = 6\narrivals = "bursts"', "load.arrivals", "^(poisson|constant)$"),
        ("[100, 200.5]", "[-1]", "load.rates_rps.0: input should be greater than 0 (given: -1)", ""),
        ("[100, 200.5]", "100", "load.rates_rps", ""),
        ("[100, 200.5]", "[]", "give one of rates_rps and capacity_shares", ""),
        ("[100, 200.5]", "[100]\ncapacity_shares = [0.5]", "give one of rates_rps and capacity_shares", ""),
        ("[100, 200.5]", "[100, 100.0]", "a load level is given twice", ""),
        ('targets = ["process", "vm"]', "targets = []", "matrix.targets", "a length of at least 1"),
        ('targets = ["process", "vm"]', 'targets = ["process", "process"]', "a target is named twice", ""),
        ('targets = ["process", "vm"]', 'targets = ["process", "../vm"]', "matrix.targets.1", ""),
        ('aa = "process"', 'aa = "container"', "aa = 'container' is not one of the variants", ""),
        ('baseline = "process"', 'baseline = "container"', "baseline = 'container' is not one of the variants", ""),
        ('name = "good"', 'name = "not/good"', "name", "what matches ^[a-z0-9]"),
        ('name = "good"', 'name = "good-"', "name", "what matches ^[a-z0-9]"),
        ('name = "good"', "", "name is missing", ""),
        ('workload = "hello"', 'workload = "image:shop"', "[service]", "port"),
        ('workload = "hello"', 'workload = "image:"', "names no image", ""),
        ('workload = "hello"', 'workload = ""', "workload", "a length of at least 1"),
        ("[limits]", "[service]\nport = 80\n[limits]", "[service] belongs to an image workload", ""),
        ("[limits]", "[service]\nport = 0\n[limits]", "service.port", "at most 65535"),
    ],
)
def test_a_mistake_is_named_by_file_key_and_what_is_allowed(
    write: Write, old: str, new: str, key: str, allowed: str
) -> None:
    assert old in GOOD
    found = mistake(write(GOOD.replace(old, new, 1)))
    assert key in found.what
    assert allowed in f"{found.what} {found.remedy}"


def test_several_mistakes_are_told_at_once(write: Write) -> None:
    found = mistake(write(GOOD.replace("repeats = 4", "repeats = 0").replace("cpus = 1", "cpu = 1")))
    assert "repeats" in found.what
    assert "limits.cpu is not a known key" in found.what
    assert "cpus, memory_mib" in found.remedy
    many = mistake(write(GOOD + "".join(f"a{number} = 1\n" for number in range(9))))
    assert "and 4 more" in many.what


def test_quick_is_merged_and_checked_even_when_it_is_not_asked_for(write: Write) -> None:
    quick = read_experiment(write(GOOD), quick=True)
    assert (quick.repeats, quick.load.duration_s) == (2, 1)
    # The other kind of rate replaces the first.
    assert (quick.load.rates_rps, quick.load.capacity_shares) == ((), (0.5,))
    assert quick.limits.memory_mib == 256
    assert "quick.repeats" in mistake(write(GOOD.replace("repeats = 2", "repeats = 0"))).what
    assert (
        "quick.load.duration is not a known key" in mistake(write(GOOD.replace("duration_s = 1", "duration = 1"))).what
    )
    assert "[quick] cannot hold" in mistake(write(GOOD + "[quick.quick]\nrepeats = 3\n")).what
    assert "quick" in mistake(write(GOOD.partition("[quick]")[0].replace("seed", "quick = 3\nseed"))).what


def test_what_is_given_on_the_command_line_wins_and_is_checked(write: Write) -> None:
    path = write(GOOD)
    assert read_experiment(path, quick=True, overrides={"repeats": 9}).repeats == 9
    with pytest.raises(SpecError) as caught:
        read_experiment(path, overrides={"repeats": -9})
    assert "bench.toml with --repeats: repeats: " in caught.value.what
    assert "at least 1" in caught.value.remedy


@pytest.mark.parametrize("text", ["name = ", "name = 'a'\nname = 'b'", "[[[", "\x00"])
def test_what_is_not_toml_is_told(write: Write, text: str) -> None:
    assert "is not TOML" in mistake(write(text)).what


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert "There is no file" in mistake(tmp_path / "none.toml").what
    assert "is a folder" in mistake(tmp_path).what
    (tmp_path / "latin.toml").write_bytes(b'name = "caf\xe9"')
    assert "cannot be read" in mistake(tmp_path / "latin.toml").what


def test_plain_data_is_checked_the_same_way() -> None:
    with pytest.raises(SpecError, match=r"^tare quick: name is missing; "):
        experiment_of("tare quick", {"repeats": 0})


def test_an_experiment_never_changes(write: Write) -> None:
    found = read_experiment(write(GOOD))
    with pytest.raises(ValueError, match="frozen"):
        found.repeats = 5  # type: ignore[misc]  # that is the point


def test_the_digest_names_the_experiment_as_it_was_run(write: Write) -> None:
    path = write(GOOD)
    assert spec_digest(read_experiment(path)) == spec_digest(read_experiment(path))
    assert spec_digest(read_experiment(path)).startswith("sha256:")
    assert spec_digest(read_experiment(path)) != spec_digest(read_experiment(path, quick=True))
    assert spec_digest(read_experiment(path)) != spec_digest(read_experiment(path, overrides={"seed": 8}))


def test_an_experiment_survives_being_stored(write: Write) -> None:
    found = read_experiment(write(GOOD))
    assert Experiment.of_stored(found.model_dump(mode="json")) == found
    with pytest.raises(ValueError, match=r"^repeats: "):
        Experiment.of_stored(found.model_dump(mode="json") | {"repeats": 0})


SEQUENCE = """
[sequences.zipf]
requests = 1000
objects = 100
exponent = 1
"""
GEOGRAPHY = """
[geography]
preset = "five-regions"
origin = "us-east"
"""


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (
            "[limits]",
            "[proxies.cache]\nkind = 'varnish'\nwarm = true\n[limits]",
            "proxies.cache is warm, but prefill is 0",
        ),
        ("seed = 7", "seed = 7\nprefill = 2000", "sequences.zipf has 1000 requests, but 2000 are asked for"),
        ("rates_rps = [100, 200.5]", "replay = { requests = 1001 }", "sequences.zipf has 1000 requests, but 1001"),
        ('aa = "process"', f"replicas = [1, 2]\n{GEOGRAPHY}", "geography goes with replicas = [1]"),
    ],
)
def test_what_a_sequence_or_a_geography_cannot_give_is_told(write: Write, old: str, new: str, what: str) -> None:
    good = GOOD.partition("[quick]")[0] + SEQUENCE
    assert old in good
    assert what in mistake(write(good.replace(old, new, 1))).what


def test_a_trace_lies_beside_the_experiment(write: Write, tmp_path: Path) -> None:
    found = read_experiment(write(GOOD + "[sequences.real]\ntrace = 'traces/web.csv'\n"))
    assert found.sequences["real"] == TraceSpec(trace=str(tmp_path / "traces/web.csv"))


def test_what_happens_to_a_proxy_happens_where_there_is_one() -> None:
    data = {
        "name": "cdn", "question": "?", "workload": "w", "baseline": "p", "load": {"rates_rps": [1]},
        "matrix": {"targets": ["p"], "proxies": ["direct", "varnish"]},
        "events": [{"kind": "kill", "service": "proxy-far"}, {"kind": "kill", "service": "origin"}],
    }  # fmt: skip
    found = experiment_of("here", data)
    assert [len(found.events_of(variant)) for variant in found.variants] == [1, 2]


@given(st.text(max_size=60))
def test_a_name_is_safe_wherever_it_becomes_part_of_one(name: str) -> None:
    data = {
        "name": name, "question": "?", "workload": "w", "baseline": "p", "matrix": {"targets": ["p"]},
        "load": {"rates_rps": [1]},
    }  # fmt: skip
    safe = 0 < len(name) <= 40 and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    if safe and not name.startswith("-") and not name.endswith("-"):
        assert experiment_of("here", data).name == name
    else:
        with pytest.raises(SpecError, match="name"):
            experiment_of("here", data)
