"""A file's uncompressed bytes, piece by piece, as far as they can be had: damage is noted, not raised."""

import bz2
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from openhorizon.corpus.skipped import Skipped

CHUNK = 1 << 16  # bytes, compressed or not, held at a time
_STREAM = re.compile(rb"BZh[1-9]1AY&SY")  # the first bytes of a bzip2 stream
_HEADER = 10  # bytes of it


def chunks(path: Path, skipped: Skipped) -> Iterator[bytes]:
    """The contents of a plain, .gz or .bz2 file; an empty piece says that bytes are missing there.

    What stands before the damage is kept. Behind it a .bz2 file goes on where its next stream begins (dumps made of
    many streams have one every few hundred pages); nothing else can be had of a compressed file. Every damage is
    noted in `skipped`, with the place in the file as it lies on disk.
    """

    def damaged(place: int, why: str) -> None:
        skipped.damaged(f"{path.name} near byte {place:,} ({why})")

    with path.open("rb") as file:
        if path.suffix.lower() == ".bz2":
            yield from _bunzip(file, damaged)
            return
        opened = gzip.GzipFile(fileobj=file) if path.suffix.lower() == ".gz" else file
        while True:
            try:
                data = opened.read1(CHUNK)  # read() would lose what comes before the damage
            except (OSError, EOFError, zlib.error) as error:
                damaged(file.tell(), "cut short" if isinstance(error, EOFError) else _said(error))
                yield b""
                return
            if not data:
                return
            yield data


def lines(path: Path, skipped: Skipped, largest: int) -> Iterator[bytes | None]:
    """The file's lines without their ends; None for one that is longer than `largest` bytes or lies in damage."""
    held, lost = bytearray(), False
    for chunk in chunks(path, skipped):
        if not chunk:
            held, lost = bytearray(), True
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            held += piece
            yield None if lost or len(held) > largest else bytes(held)
            held, lost = bytearray(), False
        held += rest
        if len(held) > largest:
            held, lost = bytearray(), True
    if held or lost:
        yield None if lost else bytes(held)


def _bunzip(file: BinaryIO, damaged: Callable[[int, str], None]) -> Iterator[bytes]:
    stream, begun = bz2.BZ2Decompressor(), False
    held = recent = b""  # compressed bytes: not yet given to the stream, given to it last
    while True:
        if stream.needs_input and not held:
            held = file.read(CHUNK)
            if not held:
                if begun:
                    damaged(file.tell(), "cut short")
                    yield b""
                return
        recent = held or recent
        try:
            data = stream.decompress(held, CHUNK)
        except OSError as error:
            damaged(file.tell() - len(recent), _said(error))
            yield b""
            held, stream, begun = _next_stream(file, recent[1:]), bz2.BZ2Decompressor(), False
            continue
        held, begun = b"", True
        if data:
            yield data
        if stream.eof:  # zeros may fill up the file
            held, stream, begun = stream.unused_data.lstrip(b"\0"), bz2.BZ2Decompressor(), False


def _next_stream(file: BinaryIO, held: bytes) -> bytes:
    """Bytes from the next beginning of a stream on, b"" if there is none; the file stands behind them."""
    while not (found := _STREAM.search(held)):
        more = file.read(CHUNK)
        if not more:
            return b""
        held = held[-_HEADER:] + more
    return held[found.start() :]


def _said(error: Exception) -> str:
    return str(error).strip(".") or type(error).__name__
