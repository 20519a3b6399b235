"""The tables of the knowledge-action graph, one schema for SQLite and PostgreSQL, and how nodes and edges lie in their rows.

Knowledge lies in `nodes` and `edges`, what was played in `tasks`, `attempts` and `steps` (one row a step; `writeback.py`
renders them as nodes and edges). Inside, nodes have integer keys. Every longer content is in `texts`, once, compressed,
under its hash; a text is never changed or removed, so a hash says for ever what something was derived from. A short one
stands in the row itself: each hash costs a writer a page of the index.
"""

import zlib
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec
import sqlalchemy as sa

from openhorizon.records import Edge, EdgeKind, Node, NodeKind

NODE_KINDS = {str(kind): kind for kind in NodeKind}  # ten times faster than calling the enum
EDGE_KINDS = {str(kind): kind for kind in EdgeKind}
CORPUS_KINDS = (NodeKind.EVIDENCE, NodeKind.ENTITY, NodeKind.FACT, NodeKind.CONSTRAINT, NodeKind.RESOURCE)
_ENCODE = msgspec.json.Encoder(order="deterministic").encode
SHORT = 200  # bytes: up to here a text stands where it is used, "=" before it

SCHEMA = sa.MetaData()
BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # only INTEGER counts itself up in SQLite


def _key(name: str) -> sa.Column:
    return sa.Column(name, BIG, primary_key=True, autoincrement=True)


def _text(*names: str, null: bool = False) -> list[sa.Column]:
    return [sa.Column(name, sa.Text, nullable=null) for name in names]


def _number(*names: str, null: bool = False) -> list[sa.Column]:
    return [sa.Column(name, BIG, nullable=null) for name in names]


def _hash(*names: str) -> list[sa.Column]:
    """Texts: the hash of one in `texts`, or a short one itself (`Contents.hashed`); NULL is the empty one."""
    return [sa.Column(name, sa.LargeBinary) for name in names]


META = sa.Table("meta", SCHEMA, sa.Column("key", sa.Text, primary_key=True), *_text("value"))
TEXTS = sa.Table(
    "texts", SCHEMA, _key("seq"), sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)  # fmt: skip
NODES = sa.Table(  # kind NULL: only a name that something points at, or that history remembers
    "nodes", SCHEMA, _key("key"), *_text("id"), *_text("kind", "domain", "title", null=True), *_hash("text"),
    *_text("source", "data", null=True),
    sa.Index("nodes_by_id", "id", unique=True), sa.Index("nodes_by_kind", "domain", "kind"),
)  # fmt: skip
EDGES = sa.Table(
    "edges", SCHEMA, _key("seq"), *_number("source", "target"), *_text("kind", "label", "data"),
    sa.Index("edges_once", "source", "target", "kind", "label", unique=True),  # serves look-ups by source, too
    sa.Index("edges_by_target", "target", "kind"),
)  # fmt: skip
HISTORY = sa.Table(  # what a node said before it was replaced or removed
    "history", SCHEMA, _key("seq"), *_number("node", "revision"), *_text("at", "kind", "domain", "title"),
    *_hash("text"), *_text("source", "data"), sa.Index("history_by_node", "node"),
)  # fmt: skip
TASKS = sa.Table(
    "tasks", SCHEMA, _key("key"), *_text("id", "domain"), *_hash("record"), *_number("accepted", null=True),
    *_text("failed", "why"), sa.Index("tasks_by_id", "id", unique=True),
)  # fmt: skip
EVIDENCE = sa.Table(  # E_q; text: what the node said when the task was written, NULL where it was not there
    "evidence", SCHEMA, sa.Column("task", BIG, primary_key=True, autoincrement=False),
    sa.Column("place", BIG, primary_key=True, autoincrement=False), *_number("node"), *_hash("text"),
    sa.Index("evidence_by_node", "node"), sqlite_with_rowid=False,
)  # fmt: skip
ATTEMPTS = sa.Table(  # content: hash of the attempt's rows, so that writing it again is noticed
    "attempts", SCHEMA, _key("key"), *_text("id"), *_number("task"), *_text("domain", "status"), *_hash("answer"),
    *_text("data"), *_number("passed", null=True), *_text("verdict", null=True), *_hash("content"),
    sa.Index("attempts_by_id", "id", unique=True), sa.Index("attempts_by_task", "task"),
)  # fmt: skip
STEPS = sa.Table(  # (s_t, a_t, o_t, v_t); state: the turn whose observations were seen, -1 the task; seen: title of o_t
    "steps", SCHEMA, sa.Column("attempt", BIG, primary_key=True, autoincrement=False),
    sa.Column("number", BIG, primary_key=True, autoincrement=False), *_number("turn", "place", "state"),
    *_text("title"), *_hash("action", "thought"), *_text("seen", null=True), *_hash("observation"),
    *_number("passed", null=True), *_text("verdict", null=True), sqlite_with_rowid=False,
)  # fmt: skip
CONSULTED = sa.Table(  # which nodes a step's observation was made from
    "consulted", SCHEMA, *(sa.Column(n, BIG, primary_key=True, autoincrement=False) for n in ("attempt", "number", "place")),
    *_number("node"), sa.Index("consulted_by_node", "node"), sqlite_with_rowid=False,
)  # fmt: skip

NODE_COLUMNS = ("id", "kind", "domain", "title", "text", "source", "data")
EDGE_COLUMNS = ("source", "target", "kind", "label", "data")


class Contents(dict[bytes, bytes]):
    """Texts on their way into the table: hash -> body."""

    def hashed(self, text: str) -> bytes | None:
        """What stands for the text in its row: a short one itself, else its hash, the text being kept for writing."""
        raw = sound(text).encode()
        return (self.packed(raw) if len(raw) > SHORT else b"=" + raw) if raw else None

    def packed(self, raw: bytes) -> bytes:
        key = blake2b(raw, digest_size=16).digest()
        if key not in self:
            short = zlib.compress(raw, 1)
            self[key] = b"z" + short if len(short) < len(raw) else b"=" + raw
        return key


EMPTY = b"="  # a node that was there and said nothing


def body_of(column: sa.Column) -> sa.ColumnElement[bytes]:
    """The body of the text that the column stands for; NULL for the empty one."""
    return sa.func.coalesce(sa.select(TEXTS.c.body).where(TEXTS.c.hash == column).scalar_subquery(), column)


def raw_of(body: bytes | None) -> bytes:
    """The content of a body in `texts`; none is the empty one."""
    if not body:
        return b""
    return zlib.decompress(body[1:]) if body[:1] == b"z" else bytes(body[1:])


def text_of(body: bytes | None) -> str:
    return raw_of(body).decode() if body else ""


def node_row(node: Node, texts: Contents) -> tuple[Any, ...]:
    """The node as NODE_COLUMNS; its text goes to `texts`."""
    return (
        sound(node.id), node.kind._value_, node.domain, sound(node.title), texts.hashed(node.text),
        sound(node.source), packed(node.data),
    )  # fmt: skip


def node_of(row: Any) -> Node:
    """The node of (id, kind, domain, title, body of the text, source, data)."""
    node_id, kind, domain, title, body, source, data = row
    return Node(
        id=node_id, kind=NODE_KINDS[kind], domain=domain, title=title, text=text_of(body), source=source,
        data=unpacked(data),
    )  # fmt: skip


def edge_of(row: Any) -> Edge:
    """The edge of (source id, target id, kind, label, data)."""
    source, target, kind, label, data = row
    return Edge(source=source, target=target, kind=EDGE_KINDS[kind], label=label, data=unpacked(data))


def packed(data: Mapping[str, Any]) -> str:
    """JSON with sorted keys, so that equal data are equal rows."""
    try:
        return _ENCODE(data).decode() if data else "{}"
    except UnicodeEncodeError:
        return as_bytes(data).decode()


def as_bytes(value: Any) -> bytes:
    """The value as JSON; what no database takes is mended."""
    try:
        return _ENCODE(value)
    except UnicodeEncodeError:
        return _ENCODE(_sounded(msgspec.to_builtins(value)))


def unpacked(text: str) -> dict[str, Any]:
    return {} if text == "{}" else msgspec.json.decode(text)


def _sounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {sound(str(k)): _sounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_sounded(v) for v in value]
    return sound(value) if isinstance(value, str) else value


def sound(text: str) -> str:
    """The text with what no database takes (lone surrogates, which JSON can carry, and zero bytes) replaced."""
    if text.isprintable():  # one quick look settles it for nearly every id and label
        return text
    if "\x00" in text:
        text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
