"""Reads experiment and workload files. Every mistake is named by file, key and what is allowed there."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.errors import SpecError
from harness.spec.base import SpecModel
from harness.spec.experiment import Experiment
from harness.spec.sequence import SequenceSpec, TraceSpec
from harness.spec.workload import Workload

Model = TypeVar("Model", bound=SpecModel)

_MANY_SHOWN = 5


def read_experiment(path: Path, *, quick: bool = False, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment of that file, with its ``[quick]`` table and then ``overrides`` merged over it.

    Raises SpecError for anything that is wrong with it, ``[quick]`` included even when it is not asked for.
    """
    data = _toml(path)
    plain = _validated(path, Experiment, data)
    merged = _merged({key: value for key, value in data.items() if key != "quick"}, plain.quick)
    quick_experiment = _validated(path, Experiment, merged, below="quick" if plain.quick else "")
    base = quick_experiment if quick else plain
    if overrides:
        source = merged if quick else data
        options = ", ".join(f"--{key}" for key in overrides)
        base = _validated(f"{path} with {options}", Experiment, _merged(source, overrides))
    return _located(base, path)


def _located(experiment: Experiment, path: Path) -> Experiment:
    """The same with the paths of certificates and traces made absolute: in the file they begin at its own folder."""
    here = path.resolve().parent
    proxies = {
        name: proxy.model_copy(update={"certificate": str(here / proxy.certificate)})
        if proxy.certificate is not None
        else proxy
        for name, proxy in experiment.proxies.items()
    }
    sequences = {
        name: sequence.model_copy(update={"trace": str(here / sequence.trace)})
        if isinstance(sequence, TraceSpec)
        else sequence
        for name, sequence in experiment.sequences.items()
    }
    return experiment.model_copy(update={"proxies": proxies, "sequences": sequences})


def experiment_of(where: str, data: Mapping[str, Any]) -> Experiment:
    """The experiment of that plain data; mistakes are said to be in ``where``. Raises SpecError."""
    return _validated(where, Experiment, data)


def sequence_of(where: str, data: Mapping[str, Any]) -> SequenceSpec:
    """The request sequence of that plain data; mistakes are said to be in ``where``. Raises SpecError."""
    return _validated(where, SequenceSpec, data)


def read_workload(folder: Path) -> Workload:
    """The workload of that folder. Raises SpecError if there is none or it is wrong."""
    file = folder / "workload.toml"
    if not file.is_file():
        known = sorted(found.parent.name for found in folder.parent.glob("*/workload.toml"))
        raise SpecError(
            f"There is no workload {folder.name!r}: {file} does not exist.",
            f'Name one of: {", ".join(known) or "(none found)"}; or a local image as "image:NAME".',
        )
    workload = _validated(file, Workload, _toml(file))
    if workload.name != folder.name:
        raise SpecError(f"{file}: name is {workload.name!r}, but the folder is {folder.name!r}.", "Give both one name.")
    _must_stay_inside(file, folder, "locustfile", workload.locustfile)
    for name, root in workload.root_file_systems.items():
        table = "rootfs" if workload.service is not None else f"roots.{name}"
        for key in ("app", "requirements", "npm"):
            if (relative := getattr(root, key)) is not None:
                _must_stay_inside(file, folder, f"{table}.{key}", relative)
    return workload


def spec_digest(experiment: Experiment) -> str:
    """``sha256:<hex>`` of the experiment as it was run."""
    return "sha256:" + hashlib.sha256(experiment.model_dump_json().encode()).hexdigest()


def _must_stay_inside(file: Path, folder: Path, key: str, relative: str) -> None:
    target = folder / relative
    if not target.exists():
        raise SpecError(f"{file}: {key} = {relative!r} does not exist.", f"Create {target}, or correct the key.")
    if not target.resolve().is_relative_to(folder.resolve()):
        what = f"{file}: {key} = {relative!r} leads out of the workload's folder."
        raise SpecError(what, "Keep it inside, without links out.")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise SpecError(f"There is no file {path}.", "Name an experiment, such as benches/quickstart.toml.") from error
    except IsADirectoryError as error:
        raise SpecError(f"{path} is a folder.", "Name an experiment, such as benches/quickstart.toml.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} cannot be read: {error}.", "Make it a readable UTF-8 text file.") from error
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path} is not TOML: {error}.", "Correct the syntax at that place.") from error


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    if "load" in merged and "load" in over:
        _one_kind_of_rate(merged["load"], over["load"])
    return merged


def _one_kind_of_rate(load: dict[str, Any], over: Mapping[str, Any]) -> None:
    """An override by the other kind of rate replaces the first kind."""
    for given, other in (("rates_rps", "capacity_shares"), ("capacity_shares", "rates_rps")):
        if given in over and other not in over:
            load.pop(other, None)


def _validated(path: Path | str, model: type[Model], data: Mapping[str, Any], below: str = "") -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = error.errors()
        shown = "; ".join(_sentence(detail, below) for detail in details[:_MANY_SHOWN])
        more = f"; and {len(details) - _MANY_SHOWN} more" if len(details) > _MANY_SHOWN else ""
        hints = dict.fromkeys(_hint(model, detail) for detail in details[:_MANY_SHOWN])
        raise SpecError(f"{path}: {shown}{more}.", " ".join(hint for hint in hints if hint)) from error


def _sentence(detail: ErrorDetails, below: str) -> str:
    key = ".".join(str(part) for part in ((below,) if below else ()) + detail["loc"]) or "the file as a whole"
    if detail["type"] == "extra_forbidden":
        return f"{key} is not a known key"
    if detail["type"] == "missing":
        return f"{key} is missing"
    message = detail["msg"].removeprefix("Value error, ")
    given = detail["input"]
    shown = f" (given: {given!r})" if not isinstance(given, Mapping) else ""
    return f"{key}: {message[:1].lower()}{message[1:]}{shown}"


def _hint(model: type[SpecModel], detail: ErrorDetails) -> str:
    """What is allowed at the place of the mistake."""
    table: Any = model
    named = False
    for part in detail["loc"][:-1]:
        if isinstance(part, int) or named:
            named = False
            continue  # a place in a list, or a name that the user chose: the table is the list's, or the names'
        field = table.model_fields.get(str(part)) if isinstance(table, type) and issubclass(table, SpecModel) else None
        named = field is not None and get_origin(field.annotation) is dict
        candidates = [] if field is None else [field.annotation, *getattr(field.annotation, "__args__", ())]
        table = next((c for c in candidates if isinstance(c, type) and issubclass(c, SpecModel)), None)
    if named or not (isinstance(table, type) and issubclass(table, SpecModel)):
        return "Correct the value."
    last = detail["loc"][-1] if detail["loc"] else ""
    if detail["type"] == "extra_forbidden":
        return f"Allowed keys there: {', '.join(sorted(table.model_fields))}."
    field = table.model_fields.get(str(last))
    limits = "" if field is None else ", ".join(filter(None, map(_limit, field.metadata)))
    return f"{last}: allowed is {limits}." if limits else "Correct the value."


def _limit(constraint: object) -> str:
    """A constraint of a field in words; empty for what says nothing to a person (strictness)."""
    wordings = {
        "ge": "at least {}",
        "gt": "more than {}",
        "le": "at most {}",
        "lt": "less than {}",
        "min_length": "a length of at least {}",
        "max_length": "a length of at most {}",
        "pattern": "what matches {}",
    }
    said = [
        wording.format(value)
        for name, wording in wordings.items()
        if (value := getattr(constraint, name, None)) is not None
    ]
    return ", ".join(said)
