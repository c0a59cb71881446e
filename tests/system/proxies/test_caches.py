"""The contract of proxies that cache, one suite for all of the registry, each as process and as container.

Behind each is an origin whose every answer can be checked from its name, and which counts what it is asked.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from harness.proxies.api import Route, Upstream
from harness.proxies.caching import CacheSize
from harness.proxies.registry import PROXIES
from harness.units import KIB, MIB
from tests.support.cache_origin import body_of
from tests.support.caches import GET, Answer, Cached
from tests.support.caches_suite import ON, ONCE, PASSED_ON, Another, fresh, right, that_can
from tests.support.proxies import each
from tests.support.until import until

pytestmark = pytest.mark.timeout(1500)

HERD = 200


@each(ON)
def test_a_miss_and_then_a_hit(running: Cached) -> None:
    path = fresh()
    first, second, third = (running.get(path) for _ in range(3))
    assert [first.outcome, second.outcome, third.outcome] == ["miss", "hit", "hit"]
    assert right(first, path)
    assert (second.body, third.body) == (first.body, first.body)
    assert second.headers["etag"] == first.headers["etag"]
    assert running.origin.asked(path) == 1


@each(ON)
def test_every_object_is_the_one_that_was_asked_for(running: Cached) -> None:
    paths = [fresh() for _ in range(30)] + [f"{fresh()}?a={number}" for number in range(2)]
    paths += [f"{paths[0]}?a", f"{paths[0]}?b", fresh(size=1_000_000)]
    asked = paths * 3
    random.Random(4).shuffle(asked)
    answers = running.ask(*((GET, path, {}) for path in asked), connections=8)
    assert all(right(answer, path) for answer, path in zip(answers, asked, strict=True))
    assert {answer.outcome for answer in answers} <= {"hit", "miss", "collapsed"}
    missed = sum(answer.outcome == "miss" for answer in answers)
    assert missed == len(paths) if running.proxy.name in ONCE else missed >= len(paths)


@each(ON)
def test_its_tree_is_the_artifacts_and_none_of_its_processes_is_root(running: Cached) -> None:
    assert running.instance.content_digest() == running.service.artifact.digest
    own = [process.pid for process in running.instance.processes() if process.role == "app"]
    assert own
    for pid in own:
        users = re.search(r"^Uid:\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        assert users
        assert set(users[1].split()) == {str(running.service.user.uid)}
        assert running.service.user.uid != 0


@each(ON)
def test_what_must_not_be_kept_passes(running: Cached) -> None:
    for kind in ("private", "cookie", "plain"):
        path = fresh(kind)
        answers = [running.get(path) for _ in range(3)]
        assert all(right(answer, path) for answer in answers)
        assert running.origin.asked(path) == 3, kind
        assert not {"hit", "stale"} & {answer.outcome for answer in answers}
    path = fresh("private")
    running.get(path)
    assert running.get(path).outcome == "pass"
    missing = [running.get("/nothing/1") for _ in range(2)]
    assert [answer.status for answer in missing] == [404, 404]


@each(ON)
def test_what_one_client_is_told_by_name_is_for_nobody_else(running: Cached) -> None:
    for header in ("Authorization", "Cookie"):
        path = fresh()
        assert right(running.get(path, **{header: "me"}), path)
        assert running.get(path).outcome == "miss"
        assert running.get(path).outcome == "hit"


@each(ON)
def test_a_lifetime_ends(running: Cached) -> None:
    path = fresh("short")
    assert [running.get(path).outcome for _ in range(2)] == ["miss", "hit"]
    until(lambda: running.get(path).outcome != "hit")
    assert 2 <= running.origin.asked(path) <= 4
    # Nothing has changed, so the origin said no more than that.
    assert right(running.get(path), path)
    assert running.origin.told()["validated"] >= 1


@each(that_can("ttl_s"))
def test_the_experiments_lifetime_goes_before_the_origins(another: Another) -> None:
    short, long = another(ttl_s=3), another(ttl_s=600)
    path = fresh()
    assert [short.get(path).outcome for _ in range(2)] == ["miss", "hit"]
    until(lambda: short.get(path).outcome != "hit")
    kept, plain, private, cookie = fresh("short"), fresh("plain"), fresh("private"), fresh("cookie")
    for each_path in (kept, plain, private, cookie):
        long.get(each_path)
    time.sleep(2.5)
    assert [long.get(kept).outcome, long.get(plain).outcome] == ["hit", "hit"]
    for each_path in (private, cookie):
        assert right(long.get(each_path), each_path)
        assert long.origin.asked(each_path) == 2


@each(that_can("stale_while_revalidate_s"))
def test_what_is_stale_is_served_while_a_fresh_one_is_fetched(another: Another) -> None:
    found = another(ttl_s=1, stale_while_revalidate_s=60)
    path = fresh()
    found.get(path)
    time.sleep(2.2)
    # Whoever waits for the fresh one waits in vain.
    with found.origin.changed(held=1000):
        answer = found.get(path)
        assert right(answer, path)
        assert answer.outcome == "stale"
        until(lambda: found.origin.asked(path) == 2)
    until(lambda: found.get(path).outcome == "hit")


@each([pair for pair in that_can("stale_while_revalidate_s") if PROXIES[pair[1]].stale_ends])
def test_nothing_is_served_for_longer_than_the_experiment_lets_it(another: Another) -> None:
    found = another(ttl_s=1, stale_while_revalidate_s=1, stale_if_error_s=6)
    path, other = fresh(), fresh()
    found.get(path)
    found.get(other)
    time.sleep(2.4)
    assert found.get(path).outcome == "miss"
    with found.origin.changed(open=0):
        assert found.get(other).outcome == "stale"
        time.sleep(5)
        assert found.get(other).status >= 500


@each(that_can("stale_if_error_s"))
def test_what_is_stale_is_served_when_the_origin_fails(another: Another) -> None:
    found = another(ttl_s=1, stale_if_error_s=60)
    troubles: list[dict[str, float]] = [{"open": 0}, {"sick": 1}]
    paths = [fresh() for _ in troubles]
    for path in paths:
        found.get(path)
    time.sleep(2.2)
    for path, trouble in zip(paths, troubles, strict=True):
        with found.origin.changed(**trouble):
            for _ in range(3):
                answer = found.get(path)
                assert right(answer, path)
                assert answer.outcome == "stale", trouble
            never = found.get(fresh())
            assert never.status >= 500
            assert never.outcome not in {"hit", "stale"}
        until(partial(is_hit, found, path))
        assert right(found.get(path), path)


def is_hit(found: Cached, path: str) -> bool:
    return found.get(path).outcome == "hit"


@each(ON)
def test_without_leave_to_serve_what_is_stale_clients_see_that_the_origin_is_gone(running: Cached) -> None:
    path = fresh("short")
    running.get(path)
    time.sleep(2.2)
    with running.origin.changed(open=0):
        assert running.get(path).status >= 500
    until(lambda: right(running.get(path), path))
    with running.origin.changed(sick=1):
        path = fresh()
        assert running.get(path).status >= 500
    assert right(running.get(path), path)


@each(ON)
def test_a_herd_on_one_missing_object_reaches_the_origin_once(running: Cached) -> None:
    path = fresh(size=50_000)
    with running.origin.changed(delay_s=1):
        answers = running.ask(*[(GET, path, {})] * HERD, connections=HERD)
    assert all(right(answer, path) for answer in answers), [a.status for a in answers]
    asked = running.origin.asked(path)
    assert asked == 1 if running.proxy.name in ONCE else 1 <= asked <= PASSED_ON, asked
    assert {answer.outcome for answer in answers} <= {"hit", "miss", "collapsed"}
    assert sum(answer.outcome == "miss" for answer in answers) >= 1


@each(that_can("collapse"))
def test_without_collapsing_each_of_the_herd_reaches_the_origin(another: Another) -> None:
    found = another(collapse=False)
    path = fresh(size=50_000)
    # Nobody is answered before so many of them have reached the origin.
    with found.origin.changed(held=15):
        answers = found.ask(*[(GET, path, {})] * 20, connections=20)
    assert all(right(answer, path) for answer in answers)
    assert found.origin.asked(path) >= 15


@each(ON)
def test_a_part_is_that_part_of_the_object(running: Cached) -> None:
    for warm in (False, True):
        path = fresh(size=100_000)
        whole = body_of(path)
        if warm:
            running.get(path)
        for asked, part in (
            ("bytes=0-9", whole[:10]),
            ("bytes=1023-1025", whole[1023:1026]),
            ("bytes=99990-", whole[99_990:]),
            ("bytes=-7", whole[-7:]),
            ("bytes=50000-200000", whole[50_000:]),
        ):
            answer = running.get(path, Range=asked)
            assert (answer.status, answer.body) in ((206, part), (200, whole)), (warm, asked)
            if answer.status == 206:
                told = re.fullmatch(r"bytes (\d+)-(\d+)/100000", answer.headers["content-range"])
                assert told
                assert int(told[2]) - int(told[1]) + 1 == len(part)
                assert whole[int(told[1]) : int(told[2]) + 1] == part
        assert running.get(path, Range="bytes=100000-").status in {416, 200}
        assert right(running.get(path), path)


@each(ON)
def test_a_storm_of_ranges_brings_no_wrong_byte_and_not_more_than_the_object(running: Cached) -> None:
    path = fresh(size=65_536)
    whole = body_of(path)
    storm = [f"bytes={','.join(f'{begin}-' for begin in range(0, 60 * step, step))}" for step in (1, 7, 1000)]
    storm += ["bytes=" + ",".join(["0-0"] * 500), "bytes=5-2", "bytes=a-b", "bytes=-0", "bytes=,,,", "bytes=0-,-1"]
    storm += [f"bytes={number * 100}-{number * 100 + 99}" for number in range(60)]
    answers = running.ask(*((GET, path, {"Range": ranges}) for ranges in storm), connections=20)
    for answer, ranges in zip(answers, storm, strict=True):
        assert answer.status in {200, 206, 400, 416}, (ranges, answer.status, answer.why)
        if answer.status == 200:
            assert answer.body == whole
        if answer.status == 206:
            assert all(whole[begin : begin + len(part)] == part for begin, part in parts(answer))
            assert len(answer.body) < 2 * len(whole)
    assert running.instance.alive()
    assert right(running.get(path), path)
    assert running.origin.asked(path) <= (1 if running.proxy.name in ONCE else 20)


def parts(answer: Answer) -> Iterator[tuple[int, bytes]]:
    """Where each part of a 206 begins, and its bytes."""
    kind = answer.headers.get("content-type", "")
    boundary = re.search(r"boundary=\"?([^\";]+)", kind)
    if not kind.startswith("multipart/byteranges") or boundary is None:
        told = re.match(r"bytes (\d+)-", answer.headers["content-range"])
        assert told
        yield int(told[1]), answer.body
        return
    for part in answer.body.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, body = part.partition(b"\r\n\r\n")
        place = re.search(rb"bytes (\d+)-", head)
        assert place
        yield int(place[1]), body.removesuffix(b"\r\n")


@each(ON)
def test_a_poisoned_host_changes_nothing_for_anybody(running: Cached) -> None:
    """Whatever a client calls the proxy, nobody else is told of it; and one object is stored once."""
    evil = "evil.example"
    for header in ("Host", "X-Forwarded-Host", "X-Host", "X-Original-URL", "X-Rewrite-URL", "Forwarded"):
        path = fresh("reflect")
        running.get(path, **{header.replace("-", "_"): evil})
        answer = running.get(path)
        assert answer.status == 200
        assert evil not in answer.body.decode(), header
        assert evil not in json.dumps(answer.headers)
    path = fresh()
    names = ["a.example", "b.example:81", f"{running.at.ip}"]
    assert [running.get(path, Host=name).outcome for name in names] == ["miss", "hit", "hit"]
    assert running.origin.asked(path) == 1


@each(ON)
def test_a_client_that_has_the_object_is_told_so_without_the_origin(running: Cached) -> None:
    path = fresh(size=10_000)
    first = running.get(path)
    tag, modified = first.headers["etag"], first.headers["last-modified"]
    for headers in ({"If_None_Match": tag}, {"If_Modified_Since": modified}):
        answer = running.get(path, **headers)
        assert (answer.status, answer.body) == (304, b"")
    several = running.get(path, If_None_Match=f'"x", {tag}')
    assert several.status == 304 or right(several, path)
    for headers in ({"If_None_Match": '"another"'}, {"If_Modified_Since": "Thu, 01 Jan 1998 00:00:00 GMT"}):
        assert right(running.get(path, **headers), path)
    assert running.origin.asked(path) == 1
    cold = fresh(size=10_000)
    assert right(running.get(cold, If_None_Match='"another"'), cold)
    (head,) = running.ask(("HEAD", path, {}))
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "10000")


@each(ON)
def test_other_methods_reach_the_origin(running: Cached) -> None:
    path = fresh()
    running.get(path)
    answers = running.ask(*[("POST", path, {"Content-Length": "0"})] * 2)
    assert [answer.status for answer in answers] == [200, 200]
    assert running.origin.asked(path) >= 3
    assert not {"hit", "stale"} & {answer.outcome for answer in answers}


@each(ON)
def test_the_longest_prefix_decides_who_is_asked(running: Cached, another: Another) -> None:
    here = running.origin.upstream
    nobody = Upstream("nobody", here.host, 9)
    found = another(routes=(Route("/objects", (here,)), Route("/health", (here,)), Route("/objects/7", (nobody,))))
    assert right(found.get("/objects/8"), "/objects/8")
    assert found.get("/objects/7").status >= 500
    assert right(found.get("/objects/70"), "/objects/70")
    assert found.get("/short/1").status == 404
    assert found.get("/objectsx/1").status == 404


@each(ON)
def test_an_upstream_that_is_gone_is_gone_round(running: Cached, another: Another) -> None:
    here = running.origin.upstream
    found = another(routes=(Route("/", (here, Upstream("nobody", here.host, 9))),))
    paths = [fresh() for _ in range(12)]
    answers = [found.get(path) for path in paths]
    assert all(right(answer, path) for answer, path in zip(answers, paths, strict=True))


@each(ON)
def test_what_is_larger_than_the_cache_is_served_all_the_same(running: Cached, another: Another) -> None:
    found = another(CacheSize(max(MIB, running.proxy.minimum_bytes)))
    path, small = fresh(size=max(3 * MIB, 2 * running.proxy.minimum_bytes)), fresh(size=1_000)
    for _ in range(2):
        # The client keeps the beginning of a body alone.
        answer = found.get(path)
        assert (answer.status, answer.headers["content-length"]) == (200, path.split("/")[2]), answer.why
        assert body_of(path).startswith(answer.body)
    assert [found.get(small).outcome for _ in range(2)] == ["miss", "hit"]


@each(ON)
def test_it_holds_up_when_many_ask_for_much_at_once(running: Cached, another: Another) -> None:
    found = another(CacheSize(max(4 * MIB, running.proxy.minimum_bytes)))
    dice = random.Random(1)
    paths = [fresh(size=dice.choice((100, 5_000, 40 * KIB, 150 * KIB))) for _ in range(200)]
    asked = [dice.choice(paths) for _ in range(1_500)]
    answers = found.ask(*((GET, path, {}) for path in asked), connections=16)
    assert not [(path, got.status) for got, path in zip(answers, asked, strict=True) if not right(got, path)]
    missed = sum(answer.outcome == "miss" for answer in answers)
    told = sum(found.origin.told()["paths"].get(path, 0) for path in paths)
    if running.proxy.name in ONCE:
        assert told == missed
