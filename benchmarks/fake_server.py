"""A server of tokens that is fast enough not to be what a benchmark measures: no model, canned turns, raw HTTP in its own process.

It answers vLLM's completions: each attempt's turn is one of a few canned ones, `latency_s` after its request has arrived, with the
prompt's ids sent back as vLLM does where `echo` is set. What it measures of itself is on /busy: its seconds of CPU.
"""

import asyncio
import contextlib
import json
import multiprocessing
import re
import time
from collections.abc import Iterator, Sequence

MODEL = "canned"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
_TOKENS = re.compile(rb'"max_tokens": ?(\d+)')


def answer_of(ids: Sequence[int], prompt: bytes = b"") -> bytes:
    """The completion that vLLM would send for the turn `ids`."""
    choice = {
        "index": 0, "text": "", "token_ids": list(ids), "logprobs": {"token_logprobs": [-0.125] * len(ids)},
        "finish_reason": "stop",
    }  # fmt: skip
    body = json.dumps({"object": "text_completion", "model": MODEL, "choices": [choice]}).encode()
    return body.replace(b'"index": 0', b'"index": 0, "prompt_token_ids":' + prompt) if prompt else body


def _whole(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
        status,
        len(body),
    )
    return head + body


class _Connection(asyncio.Protocol):
    """One client's connection: requests one after another, as HTTP/1.1 clients send them."""

    def __init__(self, turns: Sequence[bytes], latency_s: float, echo: bool, sure: bytes) -> None:
        self.turns, self.latency_s, self.echo, self.sure = turns, latency_s, echo, sure
        self.parts: list[bytes] = []
        self.held, self.wanted, self.number = 0, 0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)
        self.held += len(data)
        if not self.wanted:
            joined = b"".join(self.parts)
            end = joined.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(joined, 0, end)
            self.wanted = end + 4 + (int(length[1]) if length else 0)
            self.parts = [joined]
        if self.held >= self.wanted:
            self._answer(b"".join(self.parts))
            self.parts, self.held, self.wanted = [], 0, 0

    def _answer(self, request: bytes) -> None:
        if request.startswith(b"GET"):
            said = {"cpu_s": time.process_time()} if b" /busy" in request[:40] else {"data": [{"id": MODEL}]}
            self.transport.write(_whole(json.dumps(said).encode()))  # type: ignore[attr-defined]
            return
        most = _TOKENS.search(request)
        if b" /v1/completions " not in request[:60] or not most:
            self.transport.write(_whole(b"{}", b"404 Not Found"))  # type: ignore[attr-defined]
        elif int(most[1]) < 8:  # what `connect` asks to see how it is answered
            self.transport.write(self.sure)  # type: ignore[attr-defined]
        else:
            answer = self.turns[self.number % len(self.turns)]
            self.number += 1
            if self.echo:
                start = request.index(b"[", request.index(b'"prompt"'))
                body = answer.replace(
                    b'"index": 0',
                    b'"index": 0, "prompt_token_ids":' + request[start : request.index(b"]", start) + 1],
                )
                answer = _whole(body[body.index(b"\r\n\r\n") + 4 :])
            if self.latency_s:
                asyncio.get_running_loop().call_later(self.latency_s, self._send, answer)
            else:
                self._send(answer)

    def _send(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)  # type: ignore[attr-defined]


def _serve(pipe, turns: Sequence[Sequence[int]], latency_s: float, echo: bool, sure: int) -> None:
    async def run() -> None:
        answers = [_whole(answer_of(t)) for t in turns]
        one = _whole(answer_of([sure]).replace(b"-0.125", b"0.0"))
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Connection(answers, latency_s, echo, one), "127.0.0.1", 0, backlog=4096
        )
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


@contextlib.contextmanager
def serving(turns: Sequence[Sequence[int]], *, latency_s: float = 0.0, echo: bool = False) -> Iterator[str]:
    """The URL of a server that plays these turns over and over, in a process of its own. Each turn ends with the end token."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(theirs, [tuple(t) for t in turns], latency_s, echo, turns[0][-1]), daemon=True
    )
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()
