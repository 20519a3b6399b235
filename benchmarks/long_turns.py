"""What a turn costs in our own code as one attempt grows to 256K tokens over 300 tool calls.

The engine answers at once: one in this process, with token ids (`exact`) or in words (`spoken`); the HTTP engine in token mode against a server in another
process that sends the prompt's ids back as vLLM does (`http`). A turn of ours is everything else: the observation is tokenised,
the budget told, the request made, the answer read and checked, the step put into the journal. CPU seconds of this process.

For `http` a peer sends and receives the same bytes with no code of ours around it: what it costs to move the whole context, which no
client of a server without sessions can leave out. Ours is told with it and without.

    OMP_NUM_THREADS=1 python benchmarks/long_turns.py          # about a minute on an idle core
"""

import asyncio
import gc
import socket
import statistics
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from fake_server import answer_of, serving

from openhorizon.chat.chat import Chat
from openhorizon.chat.tiny import train_tokenizer
from openhorizon.domains.domain import Domain, Resources, tool
from openhorizon.engines.engine import Context, Request
from openhorizon.engines.http import connect
from openhorizon.records import Completion, Judged, Limits, Message, Split, Task, ToolCall, Verdict, as_json
from openhorizon.rollout.attempt import attempt
from openhorizon.rollout.journal import Journals
from openhorizon.rollout.play import Play

if {"-h", "--help"} & set(sys.argv):
    sys.exit(__doc__)
CALLS, CONTEXT = 300, 262_144
OBSERVED = (
    690  # words of an observation; with what is left of the budgets and a written turn about 870 tokens
)
EARLY, LATE = range(5, 20), range(280, 295)  # turns around the 10th and the 290th: medians of each
REPEATS = 1 if "--quick" in sys.argv else 3
SYLLABLES = [f"{a}{b}{c}" for a in "bcdfgklmnprst" for b in "aeiou" for c in ("", "n", "r", "st", "lk")]
WORDS = [
    f"{a}{b}" for a in SYLLABLES for b in SYLLABLES
]  # 105,625: ids have five digits, as a real vocabulary's


def text_of(seed: int, words: int) -> str:
    return " ".join(WORDS[(seed * 7919 + i * i * 31 + i * 17) % len(WORDS)] for i in range(words))


def vocabulary() -> list[str]:
    """Every word, twice each: what is met once is no token."""
    return [" ".join(WORDS)] * 2


def look(env: "Pages", page: int) -> str:
    """Read a page."""
    env.read += 1
    return env.pages[page % len(env.pages)]


class Pages:
    """What the tool reads; keeps how often."""

    pages = [text_of(n, OBSERVED) for n in range(32)]

    def __init__(self) -> None:
        self.read = 0

    def save(self) -> bytes:
        return b"%d" % self.read

    def load(self, saved: bytes) -> None:
        self.read = int(saved)


def nothing(*_: object) -> tuple[()]:
    return ()


PAGES = Domain(
    name="pages", tools=(tool(look),), system="Read pages.", brief="Read.", limits=Limits(), material=nothing, propose=nothing,  # type: ignore[arg-type]
    open=lambda task, resources: Pages(), expert=nothing, verify=lambda t, r, e: Verdict(score=1.0, passed=True), guesses=nothing,  # type: ignore[arg-type]
    tells_budget=True,
)  # fmt: skip
TASK = Task(
    id="pages/long", split=Split.TRAIN, domain="pages", instruction="Read everything.", answer="",
    limits=Limits(turns=CALLS, tool_calls=CALLS + 1, response_tokens=1024, context_tokens=CONTEXT, seconds=7200.0),
)  # fmt: skip


def chat_of(folder: Path) -> Chat:
    train_tokenizer(vocabulary(), 120_000, folder)
    return Chat.load(folder)


def canned(chat: Chat) -> list[tuple[int, ...]]:
    """Turns of a thought and a call, about 100 tokens each."""
    return [
        chat.message_ids(
            Message(
                role="assistant", thought=text_of(100 + n, 70),
                calls=(ToolCall(name="look", arguments={"page": n}),),
            )
        )
        for n in range(16)
    ]  # fmt: skip


class Exact:
    """Answers at once, in token ids."""

    exact, policy = True, "canned"

    def __init__(self, chat: Chat) -> None:
        turns = canned(chat)
        self.turns = [
            Completion(text=chat.text(t), token_ids=t, logprobs=(-0.125,) * len(t), policy="canned")
            for t in turns
        ]

    async def complete(self, request: Request) -> Completion:
        return self.turns[request.turn % len(self.turns)]

    def forget(self, attempt: str) -> None: ...


class Spoken:
    """Answers at once, in words."""

    exact, policy = False, "canned"

    def __init__(self, chat: Chat) -> None:
        self.turns = [Completion(text=chat.text(t)) for t in canned(chat)]

    async def complete(self, request: Request) -> Completion:
        return self.turns[request.turn % len(self.turns)]

    def forget(self, attempt: str) -> None: ...


class Timed:
    """The engine under it; notes the CPU seconds of this process that each whole turn took, and of it the engine's."""

    def __init__(self, engine, within: bool) -> None:
        self.engine, self.policy, self.exact, self.within = engine, engine.policy, engine.exact, within
        self.last, self.turns, self.tokens, self.bytes = 0.0, list[float](), list[int](), list[int]()

    async def complete(self, request: Request) -> Completion:
        now = time.process_time()
        self.tokens.append(len(request.token_ids))
        self.bytes.append(len(Context.of(request.token_ids).as_json()))
        if self.last:
            self.turns.append(now - self.last)
        self.last = now
        written = await self.engine.complete(request)
        if not self.within:
            self.last = time.process_time()
        return written

    def forget(self, attempt: str) -> None:
        self.engine.forget(attempt)


def played(engine: Timed, chat: Chat, folder: Path) -> Judged:
    play = Play(engine, Resources(None, None, None), "full", chat=chat, journals=Journals(folder))  # type: ignore[arg-type]
    judged = asyncio.run(attempt(TASK, PAGES, play))
    play.journals.clear()  # type: ignore[union-attr]
    assert isinstance(judged, Judged)
    assert len(judged.trajectory.turns) == CALLS, judged.trajectory.reason
    return judged


def moved(url: str, sizes: list[int], answer: int) -> list[float]:
    """CPU seconds to send bodies of these sizes over a socket and to take as much back: no HTTP library, no JSON."""
    host, port = url.removeprefix("http://").split(":")
    found = []
    with socket.create_connection((host, int(port))) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        held = bytearray(8 << 20)
        for size in sizes:
            ids = b"[" + b"1000," * (size // 5) + b"1]"
            body = b'{"model":"m","max_tokens":1024,"prompt":' + ids + b"}"
            head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
            began = time.process_time()
            wire.sendall(b"".join((head, body)))
            got = 0
            while got < len(ids) + answer:
                got += wire.recv_into(memoryview(held)[got:])
            found.append(time.process_time() - began)
    return found


def told(name: str, runs: list[list[float]], base: list[list[float]] | None = None) -> float:
    """Print medians of milliseconds around the 10th and the 290th turn; the ratio."""

    def at(turns: range) -> float:
        whole = statistics.median(statistics.median(r[t] for t in turns) for r in runs)
        return whole - (
            statistics.median(statistics.median(r[t] for t in turns) for r in base) if base else 0.0
        )

    early, late = at(EARLY), at(LATE)
    print(f"{name:<58} {early * 1e3:8.3f} {late * 1e3:8.3f} {late / early:7.2f}", flush=True)
    return late / early


def main() -> None:
    with tempfile.TemporaryDirectory() as where:
        chat = chat_of(Path(where) / "chat")
        runs: dict[str, list[list[float]]] = {"exact": [], "spoken": [], "http": [], "moved": []}
        gc.collect()
        with serving(canned(chat), echo=True) as url:
            http = connect([url], chat=chat)
            plain = len(answer_of(canned(chat)[0])) + 60
            for _ in range(REPEATS):
                spoken, exact = Timed(Spoken(chat), False), Timed(Exact(chat), False)
                for name, engine in (("spoken", spoken), ("exact", exact), ("http", Timed(http, True))):
                    judged = played(engine, chat, Path(where) / "journal")
                    runs[name].append(engine.turns)
                runs["moved"].append(moved(url, engine.bytes, plain)[:-1])
            http.close()
        print(
            f"{len(judged.trajectory.turns)} turns to {engine.tokens[-1]:,} tokens; medians of {REPEATS} runs, ms of CPU a turn"
        )
        print(f"{'':<58} {'turn 10':>8} {'290':>8} {'ratio':>7}")
        told("ours on token ids, the engine excluded", runs["exact"])
        told("ours on messages, the engine excluded", runs["spoken"])
        told("ours with the HTTP engine, the bytes moved included", runs["http"])
        told("the bytes alone: a socket, nothing of ours", runs["moved"])
        told("ours with the HTTP engine, without the bytes", runs["http"], runs["moved"])
        del judged
        memory(chat, Path(where))


def memory(chat: Chat, where: Path) -> None:
    """Bytes of one attempt at the end of its 256K tokens."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    judged = played(Timed(Exact(chat), False), chat, where / "journal")
    gc.collect()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(
        f"one attempt: {(held - before) / 1e6:.1f} MB held as its record, {(peak - before) / 1e6:.1f} MB at the most (journal and "
        f"verdict included), {len(as_json(judged)) / 1e6:.1f} MB as JSON"
    )


if __name__ == "__main__":
    main()
