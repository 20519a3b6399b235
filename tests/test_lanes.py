"""Connections that are kept open, against servers of bytes: whole, in pieces, closed at the wrong moment, no HTTP at all."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from openhorizon.engines.lanes import Answer, Lanes

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers the n-th request of each connection with `say(n, body)`: bytes, None to hang, b"" to close."""

    def __init__(self, say: Callable[[int, bytes], bytes | None], after: str = "") -> None:
        self.say, self.after, self.connections, self.bodies, self.heads = say, after, 0, [], []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = 0
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
                body = await reader.readexactly(int(length or 0))
                self.heads.append(head)
                self.bodies.append(body)
                said = self.say(number, body)
                number += 1
                if said is None:
                    await asyncio.sleep(60)
                for piece in (
                    (said[i : i + 7] for i in range(0, len(said or b""), 7))
                    if len(said or b"") < 99
                    else [said]
                ):
                    writer.write(piece or b"")
                    await writer.drain()
                if not said or self.after == "close":
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def asked(server: Callable, use: Callable[[Lanes, httpx.URL], Awaitable], answer_s: float = 60.0):
    async def run():
        listening = await asyncio.start_server(server, "127.0.0.1", 0, backlog=1024)
        url = httpx.URL(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1/x?y=1")
        lanes = Lanes(answer_s=answer_s)
        try:
            return await use(lanes, url)
        finally:
            await lanes.aclose()
            listening.close()

    return asyncio.run(run())


def post(body: bytes = b"hello", times: int = 1):
    async def use(lanes: Lanes, url: httpx.URL) -> list[Answer]:
        return [await lanes.send("POST", url, {"X-Key": "k"}, body) for _ in range(times)]

    return use


def test_requests_one_after_another_share_a_connection():
    server = Server(lambda n, body: OK)
    found = asked(server, post(b"x" * 300_000, 5))
    assert [(a.status, a.content) for a in found] == [(200, b"ok")] * 5
    assert server.connections == 1
    assert server.bodies == [b"x" * 300_000] * 5
    assert server.heads[0].startswith(b"POST /v1/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-Key: k\r\n" in server.heads[0]


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nabcde",
    ],
)
def test_every_way_of_saying_where_an_answer_ends_is_read(said):
    (one, two) = asked(Server(lambda n, body: said), post(times=2))
    assert one.content == two.content == b"abcde"


def test_an_answer_without_a_length_ends_with_the_connection():
    server = Server(lambda n, body: b"HTTP/1.1 200 OK\r\n\r\nabcde", after="close")
    assert [a.content for a in asked(server, post(times=2))] == [b"abcde"] * 2
    assert server.connections == 2


def test_a_connection_that_the_server_let_go_of_while_it_was_idle_is_no_failure():
    server = Server(lambda n, body: OK if n == 0 else b"")
    assert [a.content for a in asked(server, post(times=4))] == [b"ok"] * 4
    assert server.connections == 4


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", httpx.ReadError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", httpx.ReadError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", httpx.ReadError),
        (b"HTTP/1.1 2", httpx.ReadError),
        (b"SSH-2.0-OpenSSH_9.6\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nabcde", httpx.RemoteProtocolError),
    ],
)
def test_what_is_no_whole_answer_raises(said, error):
    with pytest.raises(error):
        asked(Server(lambda n, body: said, after="close"), post())


def test_nobody_there():
    async def use() -> None:
        with pytest.raises(httpx.ConnectError):
            await Lanes().send("GET", httpx.URL("http://127.0.0.1:9/"), {}, None)

    asyncio.run(use())


def test_the_connection_of_a_request_that_was_given_up_is_not_used_again():
    server = Server(lambda n, body: None if body == b"slow" else OK)

    async def use(lanes: Lanes, url: httpx.URL) -> Answer:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await lanes.send("POST", url, {}, b"slow")
        assert not any(lanes._idle.values())
        return await lanes.send("POST", url, {}, b"quick")

    assert asked(server, use).content == b"ok"
    assert server.connections == 2


@pytest.mark.parametrize("body", [b"hello", b"x" * 30_000_000], ids=["short", "more than the sockets hold"])
def test_an_answer_that_does_not_come_in_time_raises_and_its_connection_is_let_go_of(body):
    ended = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        await asyncio.sleep(0.3)  # reads nothing more until the client has given up
        with contextlib.suppress(ConnectionError):
            while await reader.read(1 << 20):
                pass
        ended.set()
        writer.close()

    async def use(lanes: Lanes, url: httpx.URL) -> float:
        began = time.perf_counter()
        with pytest.raises(TimeoutError, match=r"within 0\.1 s"):
            await lanes.send("POST", url, {}, body)
        took = time.perf_counter() - began
        await asyncio.wait_for(ended.wait(), 10)
        return took

    assert 0.1 <= asked(deaf, use, answer_s=0.1) < 0.3


def test_four_hundred_at_once_cost_no_more_each_than_forty():
    """A pool that walks over its connections at each request would take ten times as much."""

    async def use(lanes: Lanes, url: httpx.URL) -> tuple[float, float]:
        async def cost(count: int) -> float:
            await asyncio.gather(*(lanes.send("POST", url, {}, b"x") for _ in range(count)))  # open
            rounds = []
            for _ in range(4):
                began = time.process_time()
                await asyncio.gather(*(lanes.send("POST", url, {}, b"x") for _ in range(count)))
                rounds.append(time.process_time() - began)
            return min(rounds) / count

        return await cost(40), await cost(400)

    few, many = asked(Server(lambda n, body: OK), use)
    assert many < 3 * few
