"""What reading a MediaWiki dump takes: peak memory and throughput as the dump grows, beside named peers.

Larger dumps are the pages of a real one over and over under new titles (redirects too), in a temporary file that is
deleted at the end. Every reading is a process of its own; its peak is the kernel's VmHWM, its time its CPU time. The
peers: mwxml, the Wikimedia Foundation's own streaming reader, alone (pages only, no wikitext parsed) and with
mwparserfromhell's `strip_code` and `filter_wikilinks` (text and links, what our documents hold too), and lxml's tree.

    pip install "openhorizon[benchmarks]"
    python benchmarks/corpus_memory.py --dump ltgwiki-pages-articles.xml.bz2
    python benchmarks/corpus_memory.py --dump … --sizes 3.7,50 --only ours,ours-pages    # less
"""

import argparse
import bz2
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

OURS = """
from openhorizon.corpus import Skipped, read
skipped = Skipped()
for document in read(path, corpus="w", skipped=skipped):
    pages += 1
"""
OURS_PAGES = """
from pathlib import Path
from openhorizon.corpus import Skipped
from openhorizon.corpus.dump import parsed, raw_pages
for raw in raw_pages(Path(path), Skipped()):
    pages += isinstance(raw, bytes) and len(parsed(raw)) > 0
"""
MWXML = """
import mwxml
for page in mwxml.Dump.from_file(open(path, "rb")):
    for revision in page:
        pages += bool(revision.text) or 1
"""
MWXML_TEXT = """
import mwparserfromhell, mwxml
for page in mwxml.Dump.from_file(open(path, "rb")):
    for revision in page:
        if page.namespace == 0 and not page.redirect:
            code = mwparserfromhell.parse(revision.text or "")
            text, links = code.strip_code(), code.filter_wikilinks()
            pages += 1
"""
LXML = """
from lxml import etree
for element in etree.parse(path, etree.XMLParser(huge_tree=True)).getroot().iterfind("{*}page"):
    pages += bool(element.findtext("{*}revision/{*}text")) or 1
"""
CONTESTANTS = {
    "ours": OURS, "ours-pages": OURS_PAGES, "mwxml": MWXML, "mwxml+strip_code": MWXML_TEXT, "lxml-tree": LXML,
}  # fmt: skip
LARGEST = {"mwxml+strip_code": 60.0}  # MB; its memory is flat, its time that of its parser
MEASURE = """
import sys, time
path, pages = sys.argv[1], 0
{body}
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(pages, int(peak) / 1024, time.process_time())
"""


def grown(dump: Path, megabytes: float) -> Iterator[bytes]:
    """The dump's head, then its pages again and again under new titles until there are so many bytes of XML."""
    data = bz2.decompress(dump.read_bytes()) if dump.suffix == ".bz2" else dump.read_bytes()
    at = data.index(b"<page>")
    head, pages = data[:at], data[at : data.rindex(b"</page>") + 7]
    yield head
    size, round_ = len(head), 0
    while True:
        mark = f" ({round_})".encode() if round_ else b""
        part = re.sub(rb"(<title>[^<]*)(</title>)", rb"\1" + mark + rb"\2", pages)
        part = re.sub(rb'(<redirect title="[^"]*)"', rb"\1" + mark + b'"', part)
        if round_ and size + len(part) > megabytes * 1e6:
            break
        yield part
        size, round_ = size + len(part), round_ + 1
    yield b"</mediawiki>"


def measured(name: str, path: Path) -> tuple[int, float, float]:
    """Pages read, peak MB, CPU seconds (the start of Python and imports included)."""
    program = MEASURE.format(body=CONTESTANTS[name])
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    pages, peak, seconds = done.stdout.split()
    return int(pages), float(peak), float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dump", type=Path, default=Path("../shared/data/ltgwiki-pages-articles.xml.bz2"))
    parser.add_argument("--sizes", default="3.7,50,500", help="megabytes of XML")
    parser.add_argument("--only", default=",".join(CONTESTANTS), help=f"of {', '.join(CONTESTANTS)}")
    chosen = parser.parse_args()
    print("| | MB of XML | pages | peak MB | CPU s | MB/s | pages/s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for size in map(float, chosen.sizes.split(",")):
        with tempfile.NamedTemporaryFile(suffix=".xml") as file:
            for part in grown(chosen.dump, size):
                file.write(part)
            file.flush()
            real = file.tell() / 1e6
            for name in chosen.only.split(","):
                if real > LARGEST.get(name, real):
                    continue
                try:
                    pages, peak, seconds = measured(name, Path(file.name))
                except RuntimeError as error:
                    print(f"| {name} | {real:,.1f} | left out: {error} |", flush=True)
                    continue
                rates = f"{real / seconds:.1f} | {pages / seconds:,.0f}"
                print(
                    f"| {name} | {real:,.1f} | {pages:,} | {peak:,.0f} | {seconds:.1f} | {rates} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
