"""A thousand attempts at once against a server that answers after 200 ms: how many turns a second of those that could be.

Every attempt has forty turns (`--turns`) with a tool call each; its context grows by some 100 tokens a turn. Ideal is a client that costs nothing:
attempts / (latency + the tool's time) turns a second. The server is in a process of its own and plays canned turns. The client is one
process, or several with a share of the attempts each, as a cluster's workers have. Turns a second are counted from the first request to
the last answer, of all processes together; memory is the highest resident size of a client process, summed.

Peers make the same number of calls of the same size with no rollout around them: bare asyncio sockets (what Python can do at all),
httpx.AsyncClient, and openai's AsyncOpenAI, which is built on it (both with fewer calls: they are that slow at a thousand connections).

    OMP_NUM_THREADS=1 python benchmarks/concurrency.py           # about four minutes on two idle cores; --quick a third, --turns 20
"""

import asyncio
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
from fake_server import MODEL, serving
from long_turns import chat_of, nothing, text_of

from openhorizon.chat.chat import Chat
from openhorizon.domains.domain import Domain, Resources, tool
from openhorizon.engines.http import connect
from openhorizon.records import Limits, Message, Split, Status, Task, ToolCall, Verdict
from openhorizon.rollout.batch import play_groups
from openhorizon.rollout.journal import Journals
from openhorizon.rollout.play import Play

if {"-h", "--help"} & set(sys.argv):
    sys.exit(__doc__)
QUICK = "--quick" in sys.argv
ATTEMPTS, LATENCY = 1000, 0.2
TURNS = int(sys.argv[sys.argv.index("--turns") + 1]) if "--turns" in sys.argv else 40
REPEATS = 1 if QUICK else 3
PEER_CALLS = 1  # of each connection of httpx: a thousand of them take most of a minute
NOTES = [text_of(n, 45) for n in range(64)]


def note(env: object, page: int) -> str:
    """Read a note."""
    return NOTES[page % len(NOTES)]


DOMAIN = Domain(
    name="notes", tools=(tool(note),), system="Read notes.", brief="Read.", limits=Limits(), material=nothing, propose=nothing,  # type: ignore[arg-type]
    open=lambda task, resources: None, expert=nothing, verify=lambda t, r, e: Verdict(score=1.0, passed=True), guesses=nothing,  # type: ignore[arg-type]
)  # fmt: skip


def tasks(count: int, first: int) -> list[tuple[Task, Domain]]:
    limits = Limits(turns=TURNS, tool_calls=TURNS + 1, response_tokens=128, context_tokens=32_768)
    made = (
        Task(id=f"notes/train/{n}", domain="notes", split=Split.TRAIN, instruction=text_of(n, 60), answer="", limits=limits)
        for n in range(first, first + count)
    )  # fmt: skip
    return [(t, DOMAIN) for t in made]


def short(chat: Chat) -> list[tuple[int, ...]]:
    """Turns of a call and a few words, about 40 tokens each."""
    return [
        chat.message_ids(
            Message(role="assistant", thought=text_of(n, 20), calls=(ToolCall(name="note", arguments={"page": n}),))
        )
        for n in range(16)
    ]  # fmt: skip


def client(url: str, folder: str, count: int, first: int, journals: str, gate, pipe) -> None:
    """A process that plays `count` attempts; sends (began, ended, CPU seconds, MB at most, turns)."""
    chat = Chat.load(folder)
    engine = connect([url], chat=chat, mode="token", concurrency=ATTEMPTS)
    kept = Journals(Path(journals)) if journals else None
    play = Play(engine, Resources(None, None, None), "full", chat=chat, journals=kept)  # type: ignore[arg-type]
    asyncio.run(play_groups(tasks(2, -2), play))  # warm
    gate.wait()
    began, cpu = time.time(), time.process_time()
    groups = asyncio.run(play_groups(tasks(count, first), play, concurrency=count))
    ended, cpu = time.time(), time.process_time() - cpu
    runs = [j.trajectory for g in groups for j in g.judged]
    turns = sum(len(t.turns) for t in runs)
    assert len(runs) == count
    assert all(t.status is Status.TRUNCATED and t.reason == "turn budget spent" for t in runs)
    engine.close()
    pipe.send((began, ended, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, turns))


def busy(url: str) -> float:
    """CPU seconds that the server has spent."""
    return float(httpx.get(f"{url}/busy").json()["cpu_s"])


def ours(url: str, folder: Path, processes: int, journals: str = "") -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    gate, share, spent = context.Barrier(processes), ATTEMPTS // processes, busy(url)
    running = []
    for n in range(processes):
        mine, theirs = context.Pipe()
        process = context.Process(
            target=client,
            args=(url, str(folder), share, n * share, journals and f"{journals}/{n}", gate, theirs),
        )
        process.start()
        running.append((process, mine))
    found = [mine.recv() for _, mine in running]
    for process, _ in running:
        process.join()
    began, ended, cpu, memory, turns = zip(*found, strict=True)
    return {
        "turns/s": sum(turns) / (max(ended) - min(began)), "ms": sum(cpu) / sum(turns) * 1e3, "MB": sum(memory),
        "server ms": (busy(url) - spent) / sum(turns) * 1e3,
    }  # fmt: skip


def bodies(chat: Chat) -> list[bytes]:
    """What an attempt sends, turn by turn."""
    import msgspec

    ids = list(range(300, 420))
    return [
        msgspec.json.encode({"model": MODEL, "prompt": ids + [1000] * 100 * n, "max_tokens": 128})
        for n in range(TURNS)
    ]


async def bare(url: str, sent: list[bytes]) -> int:
    """asyncio streams."""
    host, port = url.removeprefix("http://").split(":")

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for body in sent:
            writer.write(b"POST /v1/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.rpartition(b": ")[2]))
        writer.close()

    await asyncio.gather(*(one() for _ in range(ATTEMPTS)))
    return ATTEMPTS * len(sent)


async def with_httpx(url: str, sent: list[bytes]) -> int:
    limits = httpx.Limits(max_connections=ATTEMPTS, max_keepalive_connections=ATTEMPTS)
    async with httpx.AsyncClient(timeout=600, limits=limits) as door:

        async def one() -> None:
            for body in sent[:PEER_CALLS]:
                (await door.post(f"{url}/v1/completions", content=body)).json()

        await asyncio.gather(*(one() for _ in range(ATTEMPTS)))
    return ATTEMPTS * PEER_CALLS


async def with_openai(url: str, sent: list[bytes]) -> int:
    from openai import AsyncOpenAI

    door = AsyncOpenAI(base_url=f"{url}/v1", api_key="none", timeout=600, max_retries=0)

    async def one() -> None:
        await door.completions.create(model=MODEL, prompt=list(range(300, 420)), max_tokens=128)

    await asyncio.gather(*(one() for _ in range(ATTEMPTS)))
    await door.close()
    return ATTEMPTS


def peer(kind, url: str, sent: list[bytes]) -> dict[str, float]:
    spent, cpu, began = busy(url), time.process_time(), time.perf_counter()
    calls = asyncio.run(kind(url, sent))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {
        "turns/s": calls / wall,
        "ms": cpu / calls * 1e3,
        "MB": 0,
        "server ms": (busy(url) - spent) / calls * 1e3,
    }


def told(name: str, runs: list[dict[str, float]], ideal: float) -> None:
    one = {key: statistics.median(r[key] for r in runs) for key in runs[0]}
    memory = f"{one['MB']:8,.0f}" if one["MB"] else " " * 8
    print(
        f"{name:<52} {one['turns/s']:8,.0f} {one['turns/s'] / ideal:7.0%} {one['ms']:9.3f} {memory} {one['server ms']:9.3f}",
        flush=True,
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where) / "chat"
        chat = chat_of(folder)
        sent = bodies(chat)
        ways = {
            "ours, one process": lambda url: ours(url, folder, 1),
            "ours, two processes": lambda url: ours(url, folder, 2),
            "ours, two processes, every step in a journal": lambda url: ours(url, folder, 2, tempfile.mkdtemp(dir=where)),
            "peer: bare asyncio streams, no rollouts": lambda url: peer(bare, url, sent),
        }
        slow = {
            "peer: httpx.AsyncClient, one call each, no rollouts": with_httpx,
            "peer: openai.AsyncOpenAI, one call each, no rollouts": with_openai,
        }
        with serving(short(chat), latency_s=LATENCY, echo=True) as url:
            ideal = ATTEMPTS / LATENCY
            print(
                f"{ATTEMPTS:,} attempts of {TURNS} turns, {LATENCY * 1e3:.0f} ms: ideal {ideal:,.0f} turns/s; medians of {REPEATS}"
            )
            print(f"{'':<52} {'turns/s':>8} {'ideal':>7} {'CPU ms':>9} {'MB':>8} {'server ms':>9}")
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
            for _ in range(REPEATS):
                for name, way in ways.items():
                    runs[name].append(way(url))
            for name in ways:
                told(name, runs[name], ideal)
            for name, kind in slow.items():
                told(name, [peer(kind, url, sent)], ideal)


if __name__ == "__main__":
    main()
