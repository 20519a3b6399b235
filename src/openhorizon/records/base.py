"""The one base of all records, and their JSON form."""

from functools import cache
from typing import Any, TypeVar, dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Record(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """A frozen record: compared by value, never changed, written to disk as one JSON object. Subclasses say `kw_only=True`
    themselves: msgspec does not pass it on.

    A pickled record leaves defaults out, as its JSON does: msgspec knows a default by identity, which a copy would lose, and
    a record that came from another process would be written otherwise.

    gc=False: a frozen record of values is in no cycle, so the collector need not walk over the many that are held.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        given = {n: v for n, default in _defaults(type(self)) if (v := getattr(self, n)) is not default}
        return _made, (type(self), given)


@cache
def _defaults(kind: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    return tuple((f.name, f.default) for f in msgspec.structs.fields(kind))


def _made(kind: type[msgspec.Struct], given: dict[str, Any]) -> msgspec.Struct:
    return kind(**given)


R = TypeVar("R")


def as_json(record: object) -> bytes:
    """The record as one line of JSON, keys of dicts sorted, so that equal records give equal bytes."""
    return msgspec.json.encode(record, order="deterministic")


def from_json(line: bytes | str, kind: type[R]) -> R:
    """The record of type `kind` that `line` holds; `msgspec.ValidationError` names the wrong field."""
    return msgspec.json.decode(line, type=kind)
