"""Servers that answer alike, behind one door: who is asked, how often it is tried again, and who rests.

Requests run in the event loop that asks, with connections of that loop: crossing to a thread's loop and back costs each turn
more than the request does, and tools that wait run in threads of their own (`Domain.waits`).
"""

import asyncio
import contextlib
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx
import msgspec

from openhorizon.engines.lanes import Answer, Lanes
from openhorizon.errors import ConfigError, EngineError
from openhorizon.records import Record

KEY = "OPENHORIZON_ENGINE_KEY"  # the environment variable that a server's key is read from, at each request
AGAIN = (408, 409, 425, 429, 500, 502, 503, 504, 529)  # statuses that say "later"
WAIT, LONGEST = 0.5, 30.0  # seconds before the second try, doubled each time; most seconds of a wait
HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "openhorizon"}
SICK = 3  # failures in a row after which a server rests
T = TypeVar("T")


class Refused(ConfigError):
    """The server will not answer this, however often it is asked. `status` is HTTP's."""

    def __init__(self, text: str, status: int = 400):  # one argument is enough to be unpickled
        super().__init__(text)
        self.status = status


class ServerState(Record, kw_only=True):
    """How a server did so far."""

    url: str
    answered: int  # requests
    failed: int  # requests that got no usable answer
    rests: int  # times it was left alone after failing
    resting: bool


@dataclass(eq=False)
class _Server:
    url: str
    busy: int = 0  # requests under way
    in_a_row: int = 0  # failures since the last answer
    until: float = 0.0  # rests until then, on the clock
    answered: int = 0
    failed: int = 0
    rests: int = 0
    out: bool = False  # holds other weights than the others: asked for no turn


class Servers:
    """Requests to one of several servers: to the one that an attempt was at before, as its prefix is cached there; else to
    the least busy. A server that keeps failing rests while others are up, longer each time; then one request tries it.

    `concurrency`: requests under way at each server. `timeout_s`: of one request, once it is connected. `tries`: of one request, over
    all servers. The key stands in the environment alone, and in no message. ConfigError: a URL that is none.
    """

    def __init__(
        self, urls: Sequence[str], *, concurrency: int = 64, timeout_s: float = 600.0, connect_s: float = 10.0, tries: int = 6,
        rest_s: float = 10.0, transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        if not urls:
            raise ConfigError("no server is named; give a URL such as http://127.0.0.1:8000")
        self._servers = [_Server(_sound(url)) for url in dict.fromkeys(urls)]
        self.concurrency, self.timeout_s, self.tries = concurrency, timeout_s, max(1, tries)
        self._connect_s, self._rest_s, self._transport = connect_s, rest_s, transport
        self._clock, self._sleep = clock, sleep
        self._home: dict[str, _Server] = {}  # attempt -> where it was last answered
        self._jitter = (
            random.Random()
        )  # unseeded on purpose: clients that failed together must not come back together
        self._carriers: dict[asyncio.AbstractEventLoop, _Carriers] = {}
        self._urls: dict[str, httpx.URL] = {}  # parsed
        self._lock = threading.Lock()  # of what follows and of the servers' counts: several loops may ask
        self._waiting: dict[_Waiter, None] = {}  # for room, in order

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(s.url for s in self._servers)

    def use(self, urls: Iterable[str]) -> None:
        """From now on only these of the servers are asked, but by name (`ask`)."""
        able = set(urls)
        for server in self._servers:
            server.out = server.url not in able

    def state(self) -> tuple[ServerState, ...]:
        """How each server did so far."""
        now = self._clock()
        return tuple(
            ServerState(url=s.url, answered=s.answered, failed=s.failed, rests=s.rests, resting=s.until > now)
            for s in self._servers
        )

    def forget(self, attempt: str) -> None:
        """The attempt is over: its next request may go anywhere."""
        self._home.pop(attempt, None)

    def close(self) -> None:
        """Let go of the connections that an event loop still holds; they close with their loop otherwise."""
        with self._lock:
            held = list(self._carriers.items())
        for loop, carriers in held:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(carriers.keeper.cancel)

    async def post(self, path: str, body: bytes, read: Callable[[bytes], T], attempt: str = "") -> T:
        """What `read` makes of an answer; from any event loop. EngineError from `read` counts as the server's failure, and
        is tried again. EngineError: no usable answer within the tries. Refused: with the server's words."""
        return await self._tried("POST", path, body, read, attempt)

    def ask(self, path: str, body: bytes | None, read: Callable[[bytes], T], url: str = "") -> T:
        """As `post`, or a GET without a body, from a plain function; of the server at `url` alone, where one is named."""
        method = "GET" if body is None else "POST"
        work = self._tried(method, path, body, read, "", url)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(work)
        with ThreadPoolExecutor(1) as aside:
            return aside.submit(asyncio.run, work).result()

    async def _tried(
        self,
        method: str,
        path: str,
        body: bytes | None,
        read: Callable[[bytes], T],
        attempt: str,
        url: str = "",
    ) -> T:
        why, asked = "", 0.0
        for number in range(self.tries):
            if number:
                least = asked or WAIT * 2 ** (number - 1)
                await self._sleep(min(LONGEST, least * self._jitter.uniform(1.0, 1.5)))
            server = await self._take(attempt, url)
            try:
                answer = await self._sent(server, method, path, body)
                if answer.status >= 300:
                    said = answer.response()
                    asked = _seconds(said.headers.get("retry-after", ""))
                    if answer.status in AGAIN:
                        why = f"{answer.status}: {_words(said)}"
                        self._failed(server, sick=answer.status != 429)
                        continue
                    raise Refused(
                        f"{server.url}{path} refuses ({answer.status}): {_words(said)}{_mend(said)}",
                        answer.status,
                    )
                asked = 0.0
                found = read(answer.content)
                self._answered(server, attempt)
                return found
            except (httpx.HTTPError, httpx.StreamError, TimeoutError, EngineError) as error:
                why = f"{type(error).__name__}: {_hidden(str(error))}"
                self._failed(server, sick=True)
                continue
            finally:
                self._give(server)
        where = url or " or ".join(self.urls)
        raise EngineError(f"{where} gave no usable answer in {self.tries} tries (the last: {why}); is it up?")

    async def _sent(self, server: _Server, method: str, path: str, body: bytes | None) -> Answer:
        carrier, url = self._carrier(server.url), self._urls.get(server.url + path)
        if url is None:
            url = self._urls[server.url + path] = httpx.URL(server.url + path)
        key = os.environ.get(KEY, "").strip()
        headers = HEADERS | ({"Authorization": f"Bearer {key}"} if key else {})
        return await carrier.send(method, url, headers, body)

    def _carrier(self, url: str) -> "Lanes | _Through":
        """What carries this event loop's requests to a server."""
        loop = asyncio.get_running_loop()
        here = self._carriers.get(loop)
        if here is None:
            here = _Carriers({}, loop.create_task(self._keep(loop)))
            with self._lock:  # a loop that was closed with its tasks pending has left its own behind
                self._carriers = {k: v for k, v in self._carriers.items() if not k.is_closed()} | {loop: here}
        carrier = here.by_url.get(url)
        if carrier is None:
            through = self._transport or _proxied(url, self.concurrency)
            carrier = here.by_url[url] = (
                _Through(through, self.timeout_s)
                if through is not None
                else Lanes(self._connect_s, self.timeout_s)
            )
        return carrier

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Closes the loop's connections when the loop ends its tasks."""
        try:
            await loop.create_future()
        finally:
            with self._lock:
                gone = self._carriers.pop(loop, None)
            for carrier in gone.by_url.values() if gone else ():
                await carrier.aclose()

    async def _take(self, attempt: str, url: str) -> _Server:
        """A server with room, its own first; waits for room. Where all rest, the one that is back first."""
        while True:
            with self._lock:
                now = self._clock()
                able = [s for s in self._servers if (s.url == url if url else not s.out)]
                up = [s for s in able if s.until <= now] or [min(able, key=lambda s: s.until)]
                free = [s for s in up if s.busy < (1 if s.in_a_row >= SICK else self.concurrency)]
                if free:
                    home = self._home.get(attempt)
                    chosen = home if home in free else min(free, key=lambda s: (s.busy, s.answered))
                    chosen.busy += 1
                    return chosen
                back = [s.until - now for s in able if s.until > now and s not in up]
                loop = asyncio.get_running_loop()
                waiter = _Waiter(loop, loop.create_future(), url)
                self._waiting[waiter] = None
            try:
                async with asyncio.timeout(min(back) if back else None):
                    await waiter.told
            except TimeoutError:
                continue
            except asyncio.CancelledError:
                if waiter.server is not None:  # told of room that another may have
                    self._wake(waiter.server, 1)
                raise
            finally:
                with self._lock:
                    self._waiting.pop(waiter, None)

    def _give(self, server: _Server) -> None:
        with self._lock:
            server.busy -= 1
        self._wake(server, len(self._waiting) if server.in_a_row >= SICK else 1)

    def _wake(self, server: _Server, count: int) -> None:
        """Tell those who have waited longest for this server, or for any, that it may have room."""
        here = asyncio.get_running_loop()
        while count > 0:
            with self._lock:
                able = (w for w in self._waiting if (w.url == server.url if w.url else not server.out))
                waiter = next(able, None)
                if waiter is None:
                    return
                del self._waiting[waiter]
                waiter.server = server
            if waiter.loop is here:
                waiter.tell()
            else:
                try:
                    waiter.loop.call_soon_threadsafe(waiter.tell)
                except RuntimeError:  # the loop is closed
                    continue
            count -= 1

    def _answered(self, server: _Server, attempt: str) -> None:
        with self._lock:
            recovered, server.in_a_row = server.in_a_row >= SICK, 0
            server.answered += 1
            if attempt:
                self._home[attempt] = server
        if recovered:  # more than one may ask it again
            self._wake(server, len(self._waiting))

    def _failed(self, server: _Server, sick: bool) -> None:
        with self._lock:
            server.failed += 1
            if not sick:
                return
            server.in_a_row += 1
            if server.in_a_row >= SICK:
                server.rests += 1
                server.until = self._clock() + self._rest_s * 2 ** min(server.in_a_row - SICK, 5)


@dataclass(eq=False)
class _Waiter:
    """Somebody who waits for room, in an event loop."""

    loop: asyncio.AbstractEventLoop
    told: "asyncio.Future[None]"
    url: str  # of the one server that will do; "": any
    server: _Server | None = None  # where room was found

    def tell(self) -> None:
        if not self.told.done():
            self.told.set_result(None)


@dataclass
class _Carriers:
    """The connections of one event loop."""

    by_url: "dict[str, Lanes | _Through]"  # each made when it is first asked
    keeper: "asyncio.Task[None]"


@dataclass
class _Through:
    """A transport of httpx: a proxy's, or a test's."""

    transport: httpx.AsyncBaseTransport
    answer_s: float

    async def send(self, method: str, url: httpx.URL, headers: dict[str, str], body: bytes | None) -> Answer:
        """See `Lanes.send`."""
        request = httpx.Request(method, url, headers=headers, content=body)
        async with asyncio.timeout(self.answer_s):
            said = await self.transport.handle_async_request(request)
            return Answer(said.status_code, said.headers.raw, await said.aread())

    async def aclose(self) -> None:
        await self.transport.aclose()


def _proxied(url: str, concurrency: int) -> httpx.AsyncBaseTransport | None:
    """The way through a proxy, where the environment names one for the server."""
    parsed, proxies = httpx.URL(url), getproxies()
    proxy = proxies.get(parsed.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parsed.host):
        return None
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    return httpx.AsyncHTTPTransport(proxy=httpx.Proxy(proxy), limits=limits)


def _sound(url: str) -> str:
    """The server's address without /v1 and what follows it."""
    try:
        parsed = httpx.URL(url.strip().rstrip("/"))
    except httpx.InvalidURL as error:
        raise ConfigError(f"{url} is not a URL ({error}); write http://HOST:PORT") from None
    if parsed.scheme not in ("http", "https") or not parsed.host or (parsed.port or 80) > 65535:
        raise ConfigError(f"{url} is not the URL of a server; write http://HOST:PORT")
    if parsed.userinfo or parsed.query:
        raise ConfigError(
            f"the URL of the server at {parsed.host} holds a name, password or query; put a key into {KEY}"
        )
    whole = str(parsed)
    for end in ("/chat/completions", "/completions", "/v1"):
        whole = whole.removesuffix(end)
    return whole.rstrip("/")


def _seconds(text: str) -> float:
    """What a server asks to wait; 0.0 where it does not say."""
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0


def _words(answer: httpx.Response) -> str:
    """The server's message, without the key."""
    if answer.is_redirect:
        return f"it has moved to {answer.headers.get('location')}; give that URL"
    try:
        said: Any = msgspec.json.decode(answer.content)
        for name in ("error", "message", "detail"):
            said = said.get(name, said) if isinstance(said, dict) else said
    except msgspec.DecodeError:
        said = answer.text
    return _hidden(str(said)) or answer.reason_phrase


def _hidden(text: str) -> str:
    """One line, cut, without the key."""
    key = os.environ.get(KEY, "").strip()
    return " ".join((text.replace(key, "***") if key else text).split())[:500]


def _mend(answer: httpx.Response) -> str:
    return f"; put the key into the environment variable {KEY}" if answer.status_code in (401, 403) else ""
