"""Which upstreams a rendered configuration sends a request to, by rules of the proxies' manuals written anew here.

nginx: the first regular expression of a ``map`` that matches, else ``default``. HAProxy: the first ``use_backend``
whose condition holds, else ``default_backend``; ``path`` ends where the query begins; several lines of one ACL are
alternatives. Squid: the first ``http_access`` whose ACLs all hold; as a cache, the peers to which it lets a request,
whose path it decodes first. Traffic Server: the first prefix of our script's list, and the line of its group's parents.
Varnish: one chain of ``if``, ``elsif``, ``else`` in ``vcl_recv``, and the backends that were added to a director.
"""

from __future__ import annotations

import re
import shlex
from ipaddress import IPv4Address, IPv4Network
from urllib.parse import unquote

Places = tuple[str, ...]


def nginx(config: str, request: str) -> Places | None:
    """None: no group."""
    rules = re.search(r"map \$request_uri \$group \{\n(.*?)\n    \}", config, re.DOTALL)
    assert rules
    *expressions, last = rules[1].splitlines()
    default = re.fullmatch(r'        default (""|\w+);', last)
    assert default
    group = default[1]
    for line in expressions:
        parts = re.fullmatch(r'        "~([^"]*)" (\w+);', line)
        assert parts, line
        # What nginx would read otherwise than it is written: an escaped backslash or quote, and control characters.
        assert not re.search(r"\\[\\'\"trn]", parts[1])
        if re.search(parts[1], request):
            group = parts[2]
            break
    return None if group == '""' else nginx_group(config, group)


def nginx_group(config: str, group: str) -> Places:
    block = re.search(rf"upstream {group} \{{\n(.*?)\n    \}}", config, re.DOTALL)
    assert block
    return tuple(re.findall(r"server (\S+) ", block[1]))


def varnish(config: str, request: str) -> Places | None:
    """None: a synthetic 404."""
    rules = re.search(r"sub vcl_recv \{\n(.*?)\n\}", config, re.DOTALL)
    assert rules
    lines = [line for line in rules[1].splitlines() if "backend_hint" in line or "synth(404)" in line]
    group = None
    for number, line in enumerate(lines):
        parts = re.fullmatch(r'    (if|elsif) \(req\.url ~ \{"([^"]*)"\}\) \{ (.*) \}', line)
        if parts is None:
            assert number == len(lines) - 1
            parts = re.fullmatch(r"    (?:(else) \{ )?()(.*?)(?: \})?", line)
            assert parts
            assert (parts[1] is None) == (number == 0)
        else:
            assert parts[1] == ("elsif" if number else "if")
        if re.search(parts[2], request):
            chosen = re.search(r"(\w+)\.backend\(\)", parts[3])
            group = chosen and chosen[1]
            break
    if group is None:
        return None
    names = re.findall(rf"{group}\.add_backend\((\w+)\);", config)
    found = (re.search(rf'backend {name} \{{ \.host = "(.*?)"; \.port = "(.*?)"; \}}', config) for name in names)
    return tuple(f"{place[1]}:{place[2]}" for place in found if place)


def squid_cache(config: str, request: str) -> Places | None:
    """None: refused. A peer may be asked if one of its own rules lets it, before the one that denies all."""
    lines = [line.split() for line in config.splitlines()]
    held = {
        words[1] for words in lines if words[:1] == ["acl"] and words[2] == "urlpath_regex" and _fits(words[3], request)
    }
    held |= {"all", "inner"}

    def holds(word: str) -> bool:
        return word[1:] not in held if word.startswith("!") else word in held

    access = [words for words in lines if words[0] == "http_access" and all(map(holds, words[2:]))]
    if access[0][1] == "deny":
        return None
    places = []
    for peer in (words for words in lines if words[0] == "cache_peer"):
        name = peer[-1].removeprefix("name=")
        rules = [words for words in lines if words[:2] == ["cache_peer_access", name] and all(map(holds, words[3:]))]
        if rules[0][2] == "allow":
            places.append(f"{peer[1]}:{peer[3]}")
    return tuple(places)


def _fits(expression: str, request: str) -> bool:
    """POSIX's extended expressions, as far as they are used here, mean the same to Python."""
    return re.search(expression, unquote(request)) is not None


def trafficserver(config: str, request: str) -> Places | None:
    """None: a 404. The texts of all its files together."""
    path = request.partition("?")[0]
    for prefix, group in re.findall(r'^  \{"([^"\\]*)", "(\w+)"\},$', config, re.MULTILINE):
        if path == prefix or path.startswith(prefix if prefix.endswith("/") else prefix + "/"):
            parents = re.search(rf'^dest_host={group} parent="(.*?)" ', config, re.MULTILINE)
            assert parents
            return tuple(parents[1].split(";"))
    return None


def haproxy(config: str, request: str) -> Places | None:
    """None: the backend that answers 404."""
    path = request.partition("?")[0]
    lines = [shlex.split(line) for line in config.splitlines()]
    held: set[str] = set()
    for words in lines:
        if words[0] == "acl":
            _, name, fetch, flag, how, value = words
            assert (fetch, flag) == ("path", "-m")
            if path == value if how == "str" else path.startswith(value):
                held.add(name)
    chosen = next((words[1] for words in lines if words[0] == "use_backend" and words[3] in held), None)
    chosen = chosen or next(words[1] for words in lines if words[0] == "default_backend")
    start = lines.index(["backend", chosen])
    places = []
    for words in lines[start + 1 :]:
        if words[0] == "backend":
            break
        if words[0] == "server":
            places.append(words[2])
    return tuple(places) or None


def squid(config: str, host: str, port: int, method: str = "GET") -> bool:
    """Whether it lets the client through."""
    lines = [line.split() for line in config.splitlines()]
    held = {"all"}
    for words in (words for words in lines if words[0] == "acl"):
        name, kind, value = words[1], words[2], words[-1]
        if kind == "dst":
            holds = re.fullmatch(r"[\d.]+", host) is not None and IPv4Address(host) in IPv4Network(value)
        elif kind == "dstdomain":
            holds = host == value.lstrip(".") or (value.startswith(".") and host.endswith(value))
        elif kind == "port":
            holds = port == int(value)
        else:
            holds = kind == "method" and method == value
        held |= {name} if holds else set()
    for words in (words for words in lines if words[0] == "http_access"):
        if set(words[2:]) <= held:
            return words[1] == "allow"
    raise AssertionError("the last rule is for all")
