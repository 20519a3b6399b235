"""The two tables of the knowledge-action graph, and how nodes and edges lie in their rows.

Plain text columns only, so that SQLite and PostgreSQL take the same schema; `data` is JSON with sorted keys, so that
equal nodes are equal rows.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from openhorizon.records import Edge, EdgeKind, Node, NodeKind

NODE_KINDS = {str(kind): kind for kind in NodeKind}  # ten times faster than calling the enum
EDGE_KINDS = {str(kind): kind for kind in EdgeKind}

SCHEMA = sa.MetaData()
BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # only INTEGER counts itself up in SQLite
META = sa.Table("meta", SCHEMA, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text))
NODES = sa.Table(
    "nodes", SCHEMA,
    sa.Column("seq", BIG, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "domain", "title", "text", "source", "data")),
    sa.Index("nodes_by_kind", "domain", "kind"),
)  # fmt: skip
EDGES = sa.Table(
    "edges", SCHEMA,
    sa.Column("seq", BIG, primary_key=True, autoincrement=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("source", "target", "kind", "label", "data")),
    sa.UniqueConstraint("source", "target", "kind", "label"),  # its index serves look-ups by source, too
    sa.Index("edges_by_target", "target", "kind"),
)  # fmt: skip


def node_row(node: Node) -> dict[str, str]:
    return {
        "id": _sound(node.id), "kind": node.kind.value, "domain": node.domain, "title": _sound(node.title),
        "text": _sound(node.text), "source": _sound(node.source), "data": _packed(node.data),
    }  # fmt: skip


def edge_row(edge: Edge) -> dict[str, str]:
    return {
        "source": _sound(edge.source), "target": _sound(edge.target), "kind": edge.kind.value,
        "label": _sound(edge.label), "data": _packed(edge.data),
    }  # fmt: skip


def node_of(row: Any) -> Node:
    _, node_id, kind, domain, title, text, source, data = row
    return Node(
        id=node_id, kind=NODE_KINDS[kind], domain=domain, title=title, text=text, source=source, data=_unpacked(data)
    )  # fmt: skip


def edge_of(row: Any) -> Edge:
    _, source, target, kind, label, data = row
    return Edge(source=source, target=target, kind=EDGE_KINDS[kind], label=label, data=_unpacked(data))


def _packed(data: Mapping[str, Any]) -> str:
    if not data:
        return "{}"
    try:
        packed = msgspec.json.encode(data, order="deterministic").decode()
    except UnicodeEncodeError:
        packed = msgspec.json.encode(_sounded(data), order="deterministic").decode()
    return packed


def _unpacked(text: str) -> dict[str, Any]:
    return {} if text == "{}" else msgspec.json.decode(text)


def _sounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_sound(str(k)): _sounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_sounded(v) for v in value]
    return _sound(value) if isinstance(value, str) else value


def _sound(text: str) -> str:
    """The text with what no database takes (lone surrogates, which JSON can carry, and zero bytes) replaced."""
    if "\x00" in text:
        text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
