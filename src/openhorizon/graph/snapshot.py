"""A graph as one file that is mapped into memory: what many processes walk over and read without loading it.

    "OHGRAPH1" | nodes' records | edges' labels and data | arrays, each 64-byte aligned | contents (JSON) | where they begin

One file, so that it is there whole or not at all and no reader ever sees half of one snapshot and half of the next.
Nodes and edges are written as they come: of a node only its id stays in memory while the file is made, of an edge three
numbers. What is read is what was asked for; the pages of the file are shared by all processes that read it.
"""

import mmap
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

import msgspec
import numpy as np

from openhorizon.errors import RunError
from openhorizon.files import whole_file
from openhorizon.graph.links import CODES, Links
from openhorizon.records import Edge, EdgeKind, Node, NodeKind, Record

MAGIC = b"OHGRAPH1"
NODE_KINDS, EDGE_KINDS = tuple(NodeKind), tuple(EdgeKind)
NODE_CODES = {kind: code for code, kind in enumerate(NODE_KINDS)}
CHUNK = 1 << 20  # bytes gathered before they are written
T = TypeVar("T", covariant=True)


class Items(Protocol[T]):
    """Things by position: a list, or made when they are asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> T: ...


class Places(Protocol):
    """Positions by id: a dictionary, or a search in a file."""

    def get(self, node_id: str, /) -> int | None: ...


@dataclass(frozen=True)
class Parts:
    """What a graph is made of: records by position and number, positions by id, and the arrays over them."""

    nodes: Items[Node]
    edges: Items[Edge]
    places: Places  # of ids that only edges name as well, behind the nodes'
    kinds: np.ndarray  # [N] uint8, an index into NodeKind
    domains: np.ndarray  # [N] an index into `names`
    names: tuple[str, ...]  # of the domains
    links: Links
    ids: Items[str]  # by position


class Contents(Record, kw_only=True):
    """What lies where in the file."""

    revision: int  # of the store
    domains: tuple[str, ...]  # names, by their code
    arrays: dict[str, tuple[str, int, int]]  # numpy's name of the type, offset in bytes, how many


def write_snapshot(path: Path, nodes: Iterable[Node], edges: Iterable[Edge], revision: int = 0) -> None:
    """Write the graph to `path`, whole or not at all; `revision` says what state of the store it shows.

    ValueError: a node id comes twice. RunError: the disk is full or the place cannot be written.
    """
    encode = msgspec.json.Encoder().encode
    with whole_file(path) as file:
        out = _Out(file)
        out.put(MAGIC)
        places: dict[str, int] = {}
        names: dict[str, int] = {}
        kinds, domains, node_at, edge_at = array("B"), array("H"), array("q", [out.at]), array("q")
        for node in nodes:
            if places.setdefault(node.id, len(places)) != len(kinds):
                raise ValueError(f"the node {node.id!r} comes twice")
            kinds.append(NODE_CODES[node.kind])
            domains.append(names.setdefault(node.domain, len(names)))
            node_at.append(out.put(encode((node.title, node.text, node.source, node.data))))
        source, target, kind = array("q"), array("q"), array("B")
        edge_at.append(out.at)
        for edge in edges:
            source.append(places.setdefault(edge.source, len(places)))
            target.append(places.setdefault(edge.target, len(places)))
            kind.append(CODES[edge.kind])
            edge_at.append(out.put(encode((edge.label, edge.data))) if edge.label or edge.data else out.at)
        links = Links.of(_seen(source), _seen(target), _seen(kind), len(places))
        arrays = {
            "kinds": _seen(kinds),
            "domains": _seen(domains),
            "node_at": _seen(node_at),
            "edge_at": _seen(edge_at),
        }
        lying = {n: out.array(a) for n, a in (arrays | links.arrays() | _ids(places)).items()}
        contents = Contents(revision=revision, domains=tuple(names), arrays=lying)
        begin = out.at
        out.put(encode(contents))
        out.put(begin.to_bytes(8, "little"))
        out.flush()


def revision_of(path: Path) -> int | None:
    """The store's revision that the snapshot shows; None if there is no snapshot of this format."""
    try:
        with path.open("rb") as file:
            return _contents(file, path).revision
    except (OSError, RunError):
        return None


def read_snapshot(path: Path) -> Parts:
    """The parts of the graph in the file, nothing of which is read yet. RunError: it is missing or no snapshot."""
    try:
        with path.open("rb") as file:
            contents = _contents(file, path)
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise RunError(
            f"{path} cannot be read ({error.strerror}); a snapshot is made again from its store"
        ) from error
    try:
        found = {
            name: np.frombuffer(data, kind, count, begin)
            for name, (kind, begin, count) in contents.arrays.items()
        }
        ids = _Ids(data, found.pop("id_at"), contents.arrays["id_text"][1])
        places = _Places(ids, found.pop("id_hash"), found.pop("id_place"))
        kinds, domains = found.pop("kinds"), found.pop("domains")
        node_at, edge_at = found.pop("node_at"), found.pop("edge_at")
        found.pop("id_text")
        names = contents.domains
        links = Links(**found)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error
    nodes = _Nodes(data, node_at, ids, (kinds, domains, names))
    return Parts(nodes, _Edges(data, edge_at, ids, links), places, kinds, domains, names, links, ids)


def _contents(file: BinaryIO, path: Path) -> Contents:
    head = file.read(len(MAGIC))
    size = file.seek(0, 2)
    if head != MAGIC or size < 16:
        raise _damaged(path)
    file.seek(size - 8)
    begin = int.from_bytes(file.read(8), "little")
    file.seek(min(begin, size))
    try:
        return msgspec.json.decode(file.read(max(0, size - 8 - begin)), type=Contents)
    except msgspec.DecodeError as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> RunError:
    return RunError(
        f"{path} is no snapshot of a graph, or a damaged one; delete it, it is made again from its store"
    )


class _Out:
    """The file, written in large pieces."""

    def __init__(self, file: BinaryIO):
        self._file, self._held, self.at = file, bytearray(), 0

    def put(self, data: bytes) -> int:
        """Append; where the file then ends."""
        self._held += data
        self.at += len(data)
        if len(self._held) > CHUNK:
            self.flush()
        return self.at

    def array(self, values: np.ndarray) -> tuple[str, int, int]:
        """Append an array; its type, where it begins, how many it holds."""
        self.put(bytes(-self.at % 64))
        begin = self.at
        self.flush()
        self._file.write(np.ascontiguousarray(values).data)
        self.at += values.nbytes
        return values.dtype.str, begin, len(values)

    def flush(self) -> None:
        self._file.write(self._held)
        self._held.clear()


def _seen(values: array) -> np.ndarray:
    """The array, shared with numpy."""
    return np.frombuffer(values, values.typecode) if values else np.empty(0, values.typecode)


def _ids(places: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The ids one behind the other, and their hashes in order with the position of each: a dictionary on disk."""
    texts = [text.encode() for text in places]
    hashes = np.fromiter(map(_hash, texts), np.uint64, len(texts))
    order = np.argsort(hashes, kind="stable")
    at = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=at[1:])
    return {
        "id_text": np.frombuffer(b"".join(texts), np.uint8), "id_at": at, "id_hash": hashes[order], "id_place": order,
    }  # fmt: skip


def _hash(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


class _Ids:
    """Ids by position, out of the file."""

    def __init__(self, data: mmap.mmap, at: np.ndarray, begin: int):
        self._data, self._at, self._begin = data, at.data, begin

    def __len__(self) -> int:
        return len(self._at) - 1

    def __getitem__(self, place: int, /) -> str:
        begin, end = self._at[place], self._at[place + 1]
        return self._data[self._begin + begin : self._begin + end].decode()


class _Places:
    """Positions by id, out of the file: a search among the sorted hashes, then a look at the ids themselves."""

    def __init__(self, ids: _Ids, hashes: np.ndarray, places: np.ndarray):
        self._ids, self._hashes, self._places = ids, hashes, places.data

    def get(self, node_id: str, /) -> int | None:
        wanted = np.uint64(_hash(node_id.encode("utf-8", "replace")))
        at = int(self._hashes.searchsorted(wanted))
        while at < len(self._hashes) and self._hashes[at] == wanted:
            place = self._places[at]
            if self._ids[place] == node_id:
                return place
            at += 1
        return None


class _Nodes:
    """Nodes by position, each read from the file when it is asked for."""

    def __init__(
        self,
        data: mmap.mmap,
        at: np.ndarray,
        ids: _Ids,
        about: tuple[np.ndarray, np.ndarray, tuple[str, ...]],
    ):
        self._data, self._at, self._ids = data, at.data, ids
        kinds, domains, self._names = about
        self._kinds, self._domains = kinds.data, domains.data

    def __len__(self) -> int:
        return len(self._kinds)

    def __getitem__(self, place: int, /) -> Node:
        begin, end = self._at[place], self._at[place + 1]
        title, text, source, data = msgspec.json.decode(self._data[begin:end])
        return Node(
            id=self._ids[place], kind=NODE_KINDS[self._kinds[place]], domain=self._names[self._domains[place]],
            title=title, text=text, source=source, data=data,
        )  # fmt: skip


class _Edges:
    """Edges by number, each read from the file when it is asked for."""

    def __init__(self, data: mmap.mmap, at: np.ndarray, ids: _Ids, links: Links):
        self._data, self._at, self._ids = data, at.data, ids
        self._source, self._target, self._kind = links.source.data, links.target.data, links.kind.data

    def __len__(self) -> int:
        return len(self._kind)

    def __getitem__(self, number: int, /) -> Edge:
        begin, end = self._at[number], self._at[number + 1]
        label, data = msgspec.json.decode(self._data[begin:end]) if begin < end else ("", {})
        return Edge(
            source=self._ids[self._source[number]], target=self._ids[self._target[number]],
            kind=EDGE_KINDS[self._kind[number]], label=label, data=data,
        )  # fmt: skip
