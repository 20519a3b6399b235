"""One door for several event loops: room is shared, connections end with their loop, who gives up holds nothing."""

import asyncio
import gc
import http.server
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from openhorizon.engines.servers import Servers
from openhorizon.errors import EngineError


class Counted(httpx.AsyncBaseTransport):
    """Answers after a while; counts what is under way in all loops together."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.most, self.lock = seconds, 0, 0, threading.Lock()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            with self.lock:
                self.now -= 1
        return httpx.Response(200, content=request.content)


async def posted(door: Servers, count: int) -> list[bytes]:
    return await asyncio.gather(*(door.post("/x", b"%d" % n, bytes) for n in range(count)))


def test_loops_of_several_threads_share_a_servers_room_and_all_are_served():
    transport = Counted(0.001)
    door = Servers(["http://s0"], transport=transport, concurrency=3)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: asyncio.run(posted(door, 100)), range(4)))
    assert answers == [[b"%d" % n for n in range(100)]] * 4
    assert transport.most == 3
    assert (door.state()[0].answered, door.state()[0].failed) == (400, 0)
    assert not door._waiting


def test_who_gives_up_waiting_takes_no_room_along():
    transport = Counted(0.002)
    door = Servers(["http://s0"], transport=transport, concurrency=1)

    async def run() -> int:
        asking = [asyncio.ensure_future(door.post("/x", b"", bytes)) for _ in range(60)]
        for n in range(0, 60, 2):  # while they wait, just as they are told of room, and while they are served
            await asyncio.sleep(0.0007)
            asking[n].cancel()
        ends = await asyncio.gather(*asking, return_exceptions=True)
        await door.post("/x", b"", bytes)
        return sum(e == b"" for e in ends)

    assert asyncio.run(asyncio.wait_for(run(), 20)) >= 30
    assert door._servers[0].busy == 0
    assert not door._waiting


def test_a_loop_that_ends_while_others_wait_for_room_passes_it_on():
    transport = Counted(0.01)
    door = Servers(["http://s0"], transport=transport, concurrency=1)

    def short() -> None:
        async def given_up() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(posted(door, 50), 0.05)

        asyncio.run(given_up())

    with ThreadPoolExecutor(3) as threads:
        ending = [threads.submit(short) for _ in range(2)]
        served = threads.submit(lambda: asyncio.run(asyncio.wait_for(posted(door, 30), 30)))
        for one in ending:
            one.result()
        assert len(served.result()) == 30


def test_room_at_one_server_goes_past_those_who_wait_for_another():
    class Uneven(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(1.0 if request.url.host == "slow" else 0.02)
            return httpx.Response(200, content=request.content)

    door = Servers(["http://slow", "http://quick"], transport=Uneven(), concurrency=1)

    async def run() -> float:
        began = time.perf_counter()
        at_slow = [
            asyncio.ensure_future(door._tried("POST", "/x", b"", bytes, "", "http://slow")) for _ in range(2)
        ]
        await asyncio.sleep(0.005)
        await posted(door, 4)
        took = time.perf_counter() - began
        await asyncio.gather(*at_slow)
        return took

    assert asyncio.run(run()) < 0.6


def test_a_server_that_answers_again_is_asked_by_all_who_waited():
    class Mended(Counted):
        fails = 3

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if self.fails:
                self.fails -= 1
                return httpx.Response(500)
            return await super().handle_async_request(request)

    transport = Mended(0.02)
    door = Servers(
        ["http://s0"], transport=transport, concurrency=8, rest_s=0.01, sleep=lambda s: asyncio.sleep(0)
    )
    assert len(asyncio.run(posted(door, 40))) == 40
    assert transport.most == 8
    assert (door.state()[0].answered, door.state()[0].failed) == (40, 3)


class Kept(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    open: set = set()

    def setup(self) -> None:
        super().setup()
        self.open.add(self)

    def finish(self) -> None:
        super().finish()
        self.open.discard(self)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.1 if self.path == "/slow" else 0.0)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def kept():
    Kept.open = set()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kept)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def gone(seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while Kept.open and time.monotonic() < until:
        time.sleep(0.01)
    return not Kept.open


def test_connections_are_kept_while_their_loop_runs_and_closed_with_it(kept):
    door = Servers([kept], concurrency=4)

    async def run() -> int:
        for _ in range(5):
            assert await posted(door, 4) == [b"0", b"1", b"2", b"3"]
        return len(Kept.open)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            assert asyncio.run(run()) == 4
            assert gone()
        assert not door._carriers
        gc.collect()


def test_a_loop_that_runs_on_lets_go_of_its_connections_when_the_door_is_closed(kept):
    door = Servers([kept])

    async def run() -> None:
        await posted(door, 3)
        assert len(Kept.open) == 3
        await asyncio.to_thread(door.close)
        assert await asyncio.to_thread(gone)
        assert await posted(door, 1) == [b"0"]  # and asks anew

    asyncio.run(run())
    assert gone()


def test_a_plain_function_asks_inside_a_running_loop_and_outside(kept):
    door = Servers([kept])

    async def within() -> bytes:
        return door.ask("/x", b"hi", bytes)

    assert door.ask("/x", b"hi", bytes) == asyncio.run(within()) == b"hi"
    assert gone()


def test_a_tool_that_keeps_the_loop_busy_beyond_the_time_out_costs_no_answer_that_came(kept):
    door = Servers([kept], timeout_s=0.3, tries=1)

    async def run() -> list[bytes]:
        asking = asyncio.gather(*(door.post("/slow", b"%d" % n, bytes) for n in range(8)))
        await asyncio.sleep(0.05)
        time.sleep(0.5)  # the answers come, and the time is over, before the loop can look
        return await asking

    assert asyncio.run(run()) == [b"%d" % n for n in range(8)]


def test_where_nobody_listens_every_loop_is_told():
    door = Servers(["http://127.0.0.1:9"], tries=2, sleep=lambda s: asyncio.sleep(0))
    for _ in range(2):
        with pytest.raises(EngineError, match="2 tries"):
            asyncio.run(door.post("/x", b"", bytes))
