"""The one base of all records, and their JSON form."""

from typing import TypeVar, dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Record(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """A frozen record: compared by value, never changed, written to disk as one JSON object. Subclasses say `kw_only=True`
    themselves: msgspec does not pass it on.

    gc=False: a frozen record of values is in no cycle, so the collector need not walk over the many that are held."""


R = TypeVar("R")


def as_json(record: object) -> bytes:
    """The record as one line of JSON, keys of dicts sorted, so that equal records give equal bytes."""
    return msgspec.json.encode(record, order="deterministic")


def from_json(line: bytes | str, kind: type[R]) -> R:
    """The record of type `kind` that `line` holds; `msgspec.ValidationError` names the wrong field."""
    return msgspec.json.decode(line, type=kind)
