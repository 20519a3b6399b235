"""A graph as files for other programs: Parquet for tables, GraphML for graph tools. Both are written as they are read, in
memory that does not grow with the graph, and are there whole or not at all."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec

from openhorizon.errors import UserError
from openhorizon.files import whole_file, write_whole
from openhorizon.graph.graph import Graph

NODE_COLUMNS = ("id", "kind", "domain", "title", "text", "source", "data")
EDGE_COLUMNS = ("source", "target", "kind", "label", "data")
ROWS = 50_000  # of one row group
NOT_XML = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
)  # characters that no XML may hold


def export(graph: Graph, path: Path) -> tuple[Path, ...]:
    """Write the graph to `path`, in the format that its name ends in; the files made.

    Edges whose ends are not both nodes of the graph are left out.
    UserError: another ending, or pyarrow is not installed. RunError: the disk is full.
    """
    formats = {".parquet": to_parquet, ".graphml": to_graphml}
    if path.suffix not in formats:
        raise UserError(
            f"{path}: an export ends in {' or '.join(formats)}, such as graph{next(iter(formats))}"
        )
    return formats[path.suffix](graph.part(graph.where()), path)


def to_parquet(graph: Graph, path: Path) -> tuple[Path, ...]:
    """Two tables: for graph.parquet, graph-nodes.parquet and graph-edges.parquet; `data` is a column of JSON."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise UserError('a Parquet export needs pyarrow: pip install "openhorizon[export]"') from None
    few = arrow.dictionary(arrow.int32(), arrow.string())
    made = []
    for what, columns, rows in (
        ("nodes", NODE_COLUMNS, _nodes(graph)),
        ("edges", EDGE_COLUMNS, _edges(graph)),
    ):
        file = path.with_name(f"{path.stem}-{what}.parquet")
        schema = arrow.schema([(c, few if c in ("kind", "domain") else arrow.string()) for c in columns])
        with whole_file(file) as out, parquet.ParquetWriter(out, schema, compression="zstd") as writer:
            while some := list(islice(rows, ROWS)):
                writer.write_table(arrow.table([list(c) for c in zip(*some)], schema=schema))
        made.append(file)
    return tuple(made)


def to_graphml(graph: Graph, path: Path) -> tuple[Path, ...]:
    """One file of GraphML; characters that XML cannot hold are replaced, `data` is JSON."""
    write_whole(path, (piece.encode() for piece in _graphml(graph)))
    return (path,)


def _graphml(graph: Graph) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    for of, columns in (("node", NODE_COLUMNS[1:]), ("edge", EDGE_COLUMNS[2:])):
        for name in columns:
            yield f'<key id="{of}_{name}" for="{of}" attr.name="{name}" attr.type="string"/>\n'
    yield '<graph edgedefault="directed">\n'
    for node_id, *values in _nodes(graph):
        yield f"<node id={_attribute(node_id)}>{_data('node', NODE_COLUMNS[1:], values)}</node>\n"
    for source, target, *values in _edges(graph):
        ends = f"source={_attribute(source)} target={_attribute(target)}"
        yield f"<edge {ends}>{_data('edge', EDGE_COLUMNS[2:], values)}</edge>\n"
    yield "</graph>\n</graphml>\n"


def _data(of: str, names: Iterable[str], values: Iterable[str]) -> str:
    kept = ((n, v) for n, v in zip(names, values) if v and v != "{}")
    return "".join(f'<data key="{of}_{n}">{escape(_sound(v), {chr(13): "&#13;"})}</data>' for n, v in kept)


def _attribute(text: str) -> str:
    return quoteattr(_sound(text), {"\r": "&#13;"})


def _sound(text: str) -> str:
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _nodes(graph: Graph) -> Iterator[tuple[str, ...]]:
    for place in range(len(graph)):
        n = graph.node_at(place)
        yield n.id, n.kind.value, n.domain, n.title, n.text, n.source, _json(n.data)


def _edges(graph: Graph) -> Iterator[tuple[str, ...]]:
    for e in graph.edges():
        yield e.source, e.target, e.kind.value, e.label, _json(e.data)


def _json(data: Any) -> str:
    return msgspec.json.encode(data, order="deterministic").decode() if data else "{}"
