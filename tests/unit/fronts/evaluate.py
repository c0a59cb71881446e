"""Which upstreams a rendered configuration sends a request to, by rules of the proxies' manuals written anew here.

nginx: the first regular expression of a ``map`` that matches, else ``default``. HAProxy: the first ``use_backend``
whose condition holds, else ``default_backend``; ``path`` ends where the query begins; several lines of one ACL are
alternatives. Squid: the first ``http_access`` whose ACLs all hold. Varnish: one chain of ``if``, ``elsif``, ``else``
in ``vcl_recv``, and the backends that were added to a director.
"""

from __future__ import annotations

import re
import shlex
from ipaddress import IPv4Address, IPv4Network

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
