"""Reading, changing, checking and printing a recipe, or another plan: `--set path=value`, typed; an unknown path offers the nearest name.

Every line that `describe` prints is itself a valid setting, so what a person reads is what a person can change.
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import inspect, structs

from openhorizon.config import Plan, Recipe, problems
from openhorizon.errors import ConfigError

P = TypeVar("P", bound=Plan)


def override(recipe: P, settings: Iterable[str]) -> P:
    """The recipe, or another plan, with each `path=value` applied in order; dots go into records, dicts (by key) and tuples (by number).

    The value is read by the type that stands at the path: true/false, numbers, text, `none`, and comma-separated
    tuples. ConfigError: an unknown path (with the nearest names), a wrong type, a value out of range. Values are not
    compared with each other here: call `validate` once all settings are in.

    >>> override(demo(), ["sft.steps=300", "domains.search.levels=1,1,2"])
    """
    for setting in settings:
        path, equals, text = setting.partition("=")
        path = path.strip()
        if not equals or not path:
            raise ConfigError(f"{setting!r} is not a setting; write path=value, such as sft.steps=300")
        recipe = _changed(recipe, type(recipe), path.split("."), text.strip(), path)
    return recipe


def validate(recipe: Recipe) -> Recipe:
    """The recipe itself. ConfigError: a value out of its range, or values that contradict each other (all of them)."""
    if found := problems(in_range(recipe)):
        raise ConfigError(
            "\n".join(["the recipe contradicts itself:" if len(found) > 1 else "the recipe:", *found])
        )
    return recipe


def in_range(plan: P) -> P:
    """The plan itself. ConfigError: a value out of its range."""
    for path, value, kind in _leaves(plan, type(plan), ""):
        _checked(value, kind, path)
    try:  # what has no path of its own: a record of the wrong kind
        msgspec.convert(msgspec.to_builtins(plan), type(plan))
    except msgspec.ValidationError as error:
        raise ConfigError(f"the recipe: {error}") from None
    return plan


def from_json(data: bytes | str) -> Recipe:
    """The recipe in `data`. ConfigError: not JSON, or not a recipe of this version."""
    try:
        return msgspec.json.decode(data, type=Recipe)
    except msgspec.DecodeError as error:
        raise ConfigError(f"not a recipe of this version: {error}") from None


def flatten(recipe: Plan) -> dict[str, Any]:
    """Every value of the recipe by its path, in the order of the fields; tuples of plain values stay whole."""
    return {path: value for path, value, _ in _leaves(recipe, type(recipe), "")}


def describe(recipe: Recipe, sources: Mapping[str, str] | None = None) -> str:
    """Every value as a line `path = value`, and `# where it comes from` where `sources` says so.

    ConfigError: `sources` names a path that the recipe does not have.
    """
    sources = sources or {}
    values = {path: _text(value) for path, value in flatten(recipe).items()}
    for path in sources:
        if path not in values:
            raise ConfigError(
                f"a source is given for {path}, which the recipe does not have{_nearest(path, values)}"
            )
    width = max((len(f"{path} = {text}") for path, text in values.items() if path in sources), default=0)
    lines = [f"{path} = {text}" for path, text in values.items()]
    return "\n".join(
        f"{line:<{width}}  # {sources[path]}" if path in sources else line
        for path, line in zip(values, lines)
    )


def differences(stored: Plan, wanted: Plan) -> list[str]:
    """What `wanted` changes against `stored`: one line `path: old -> new` for each value."""
    old, new = flatten(stored), flatten(wanted)
    paths = [*old, *(path for path in new if path not in old)]
    gone = "(absent)"
    return [
        f"{path}: {_text(old[path]) if path in old else gone} -> {_text(new[path]) if path in new else gone}"
        for path in paths
        if (path in old) != (path in new) or old.get(path) != new.get(path)
    ]


def _leaves(node: Any, kind: Any, path: str) -> Iterable[tuple[str, Any, Any]]:
    """Path, value and declared type of every plain value."""
    inner = _inside(node)
    if inner is None:
        yield path, node, kind
        return
    for name, value in inner.items():
        yield from _leaves(value, _kind(node, kind, name), f"{path}.{name}" if path else name)


def _kind(node: Any, kind: Any, name: str) -> Any:
    """The declared type of the part `name` of `node`, whose own declared type is `kind`."""
    if isinstance(node, msgspec.Struct):
        return _hints(type(node))[name]
    return get_args(kind)[1 if isinstance(node, dict) else 0]


def _inside(node: Any) -> dict[str, Any] | None:
    """The named parts of a record, dict or tuple of records; None for a plain value."""
    if isinstance(node, msgspec.Struct):
        return structs.asdict(node)
    if isinstance(node, dict):
        return node
    if isinstance(node, tuple) and node and isinstance(node[0], msgspec.Struct):
        return {str(n): part for n, part in enumerate(node)}
    return None


def _plain(kind: Any) -> bool:
    """Whether values of the type are single ones: a dict of them takes new names."""
    return not isinstance(inspect.type_info(kind), inspect.StructType)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _changed(node: Any, kind: Any, parts: list[str], text: str, path: str) -> Any:
    """`node`, whose declared type is `kind`, with the value at `parts` replaced by what `text` says."""
    inner = _inside(node)
    if not parts:
        if inner is not None:
            names = [f"{path}.{n}" for n in inner] or [f"{path}.NAME={text}"]
            raise ConfigError(f"{path} holds several values; set one of them: {_some(names)}")
        return _parsed(text, kind, path)
    head, rest = parts[0], parts[1:]
    if inner is None:
        above = ".".join(path.split(".")[: -len(parts)])
        raise ConfigError(f"{path}: there is nothing below {above}, which is one value ({_text(node)})")
    old = inner.get(head)
    if head not in inner:
        new = get_args(kind)[1] if isinstance(node, dict) else None
        if rest and new is not None and getattr(new, "named_freely", False):
            old = new()
        elif rest or new is None or not _plain(new):
            raise ConfigError(f"{path}: there is no {head!r} here{_nearest(head, inner)}")
    part = _changed(old, _kind(node, kind, head), rest, text, path)
    if isinstance(node, msgspec.Struct):
        return structs.replace(node, **{head: part})
    if isinstance(node, dict):
        return {**node, head: part}
    return tuple(part if str(n) == head else old for n, old in enumerate(node))


def _parsed(text: str, kind: Any, path: str) -> Any:
    """`text` as a value of type `kind`. ConfigError names the path, the text and what is allowed."""
    info = inspect.type_info(kind)
    value: Any = "" if text == '""' else text
    if isinstance(info, inspect.VarTupleType):
        value = [part.strip() for part in text.split(",") if part.strip()] if value else []
    elif _accepts(info, inspect.NoneType) and text.lower() in ("none", "null"):
        return None
    elif isinstance(info, inspect.BoolType):
        value = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(text.lower(), text)
    return _checked(value, kind, path, strict=False, shown=text)


def _checked(value: Any, kind: Any, path: str, *, strict: bool = True, shown: str | None = None) -> Any:
    """`value` as a valid value of type `kind`. ConfigError names the path, what stood there and what is allowed."""
    try:
        good = msgspec.convert(value, kind, strict=strict)
        fine = not isinstance(good, float) or math.isfinite(good)
    except msgspec.ValidationError:
        good, fine = None, False
    if not fine:
        found = _text(value) if shown is None else shown
        raise ConfigError(f"{path}={found}: must be {_allowed(inspect.type_info(kind))}")
    return good


def _accepts(info: inspect.Type, kind: type) -> bool:
    return isinstance(info, kind) or (
        isinstance(info, inspect.UnionType) and any(isinstance(t, kind) for t in info.types)
    )


def _allowed(info: Any) -> str:
    """The values of a type, in words."""
    if isinstance(info, inspect.UnionType):
        return " or ".join(_allowed(t) for t in info.types)
    if isinstance(info, inspect.LiteralType):
        return "one of " + ", ".join(str(v) for v in info.values)
    if isinstance(info, inspect.VarTupleType):
        return "values parted by commas, each " + _allowed(info.item_type)
    names = {
        inspect.BoolType: "true or false",
        inspect.IntType: "a whole number",
        inspect.FloatType: "a number",
    }
    names |= {inspect.StrType: "text", inspect.NoneType: "none"}
    bounds = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    limits = [
        f"{word} {bound}" for key, word in bounds.items() if (bound := getattr(info, key, None)) is not None
    ]
    return " ".join([names.get(type(info), "another type"), " and ".join(limits)]).strip()


def _text(value: Any) -> str:
    """A value as a person would set it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(_text(v) for v in value) or '""'
    return '""' if value == "" else str(value)


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else f"; there are: {_some(known)}"


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
