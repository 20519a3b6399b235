"""HTTP/1.1 connections that are kept open: each request has one alone while it lasts.

httpx's own pool walks over all its connections at every request, which at a thousand of them takes milliseconds each; here the next
idle one is taken from a stack. The protocol's grammar is read by httptools (the parser of Node.js and uvicorn).
"""

import asyncio
import ssl
from typing import Any, NamedTuple

import httptools
import httpx

NO_HTTP = (httptools.HttpParserError, httptools.HttpParserUpgrade)
PIECE = 262_144  # bytes of a body that are written at once
Origin = tuple[str, str, int]  # scheme, host, port


class Answer(NamedTuple):
    """What a server said."""

    status: int
    headers: list[tuple[bytes, bytes]]
    content: bytes

    def response(self) -> httpx.Response:
        """The same, with all that httpx knows to read from it."""
        return httpx.Response(self.status, headers=self.headers, content=self.content)


class Lanes:
    """For one event loop. Bodies are sent and taken whole. Raises httpx's errors: ConnectError, ReadError, RemoteProtocolError,
    ConnectTimeout; TimeoutError: no whole answer after `answer_s` seconds. An answer that lay there in time counts, however late
    a busy loop gets to it."""

    def __init__(self, connect_s: float = 10.0, answer_s: float = 600.0) -> None:
        self._connect_s, self._answer_s = connect_s, answer_s
        self._idle: dict[Origin, list[_Lane]] = {}
        self._ssl: ssl.SSLContext | None = None

    async def send(self, method: str, url: httpx.URL, headers: dict[str, str], body: bytes | None) -> Answer:
        """The answer to a request; `headers` without the host and the length."""
        origin = (url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
        named = {"Host": url.netloc.decode()} | headers
        if body is not None:
            named["Content-Length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        head = f"{method} {url.raw_path.decode()} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
        idle = self._idle.setdefault(origin, [])
        while True:
            while idle and not idle[-1].open:
                idle.pop()
            kept = bool(idle)
            lane = idle.pop() if idle else await self._opened(origin)
            try:
                answer = await lane.sent(head, body or b"", self._answer_s)
            except _Closed as closed:
                if (
                    kept and not closed.begun
                ):  # the server let go of an idle connection just then: that is no failure
                    continue
                raise httpx.ReadError(f"the connection was closed ({closed})") from closed
            except NO_HTTP as error:
                raise httpx.RemoteProtocolError(f"no HTTP ({error})") from error
            finally:
                if not lane.free:
                    lane.close()
            if lane.open:
                idle.append(lane)
            return answer

    async def _opened(self, origin: Origin) -> "_Lane":
        scheme, host, port = origin
        if scheme == "https" and self._ssl is None:
            self._ssl = httpx.create_ssl_context()
        try:
            async with asyncio.timeout(self._connect_s):
                _, lane = await asyncio.get_running_loop().create_connection(
                    _Lane, host, port, ssl=self._ssl if scheme == "https" else None
                )
        except TimeoutError:
            raise httpx.ConnectTimeout(f"no connection within {self._connect_s:g} s") from None
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        return lane

    async def aclose(self) -> None:
        for lane in (lane for lanes in self._idle.values() for lane in lanes):
            lane.close()
        self._idle.clear()


class _Closed(Exception):
    """The connection is gone. `begun`: a part of an answer had come."""

    def __init__(self, why: str, begun: bool) -> None:
        super().__init__(why)
        self.begun = begun


class _Lane(asyncio.Protocol):
    """A connection, with the callbacks that httptools' parser wants."""

    def __init__(self) -> None:
        self.open, self.free = True, True  # free: no request is under way
        self._begun, self._head_read = False, False
        self._ready = asyncio.Event()  # the transport takes more
        self._ready.set()
        self._transport: Any = None
        self._answer: asyncio.Future[Answer] | None = None

    async def sent(self, head: bytes, body: bytes, answer_s: float) -> Answer:
        """The answer to a request. _Closed, HttpParserError, TimeoutError."""
        self.free = False
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._begun = False
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        if not self.open:
            raise _Closed("before the request", False)
        # not asyncio.timeout: after a pause of the loop that would throw away what came meanwhile
        late = loop.call_later(answer_s, self._late, answer_s)
        try:
            if len(body) < PIECE:
                self._transport.write(head + body)
            else:
                await self._written(head, body, self._answer)
            return await self._answer
        finally:
            late.cancel()

    async def _written(self, head: bytes, body: bytes, answer: "asyncio.Future[Answer]") -> None:
        self._transport.write(head)
        whole = memoryview(body)
        for start in range(
            0, len(body), PIECE
        ):  # no more at once: what waits to be sent is moved about in memory
            await self._ready.wait()
            if answer.done():  # a server that has heard enough
                self.open = False
                return
            self._transport.write(whole[start : start + PIECE])

    def _late(self, answer_s: float) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(TimeoutError(f"no answer within {answer_s:g} s"))
            self._ready.set()

    def close(self) -> None:
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def pause_writing(self) -> None:
        self._ready.clear()

    def resume_writing(self) -> None:
        self._ready.set()

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():  # nobody asked
            self.close()
            return
        self._begun = True
        try:
            self._parser.feed_data(data)
        except NO_HTTP as error:
            if not self._answer.done():
                self._answer.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._ready.set()
        if self._answer is None or self._answer.done():
            return
        if self._begun and self._ends_by_closing():
            self._done()
        else:
            self._answer.set_exception(_Closed(str(exc or "by the server"), self._begun))

    def _ends_by_closing(self) -> bool:
        """Whether the answer has a head that gives no length: it ends with the connection."""
        given = {name.lower() for name, _ in self._headers}
        return self._head_read and not given & {b"content-length", b"transfer-encoding"}

    def on_message_begin(self) -> None:
        self._headers, self._parts, self._head_read = [], [], False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._head_read = True

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:  # else: an interim answer
            self.open = self.open and bool(self._parser.should_keep_alive())
            self._done()

    def _done(self) -> None:
        self.free = True
        if self._answer is not None and not self._answer.done():
            content = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._answer.set_result(Answer(self._parser.get_status_code(), self._headers, content))
