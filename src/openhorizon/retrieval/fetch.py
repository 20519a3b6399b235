"""HTTP with every limit that the open web needs: whole time, size, tries, redirects, and which addresses may be reached.

A host is resolved once, every address it has is checked, and the connection goes to the address that was checked, so that
neither a redirect nor a name that changes its mind leads into the machine or its network.
"""

import errno
import ipaddress
import random
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore
import httpx

from openhorizon.errors import InfrastructureError
from openhorizon.records import Record

BUSY = (408, 425, 429, 500, 502, 503, 504)  # worth another try
LONGEST_WAIT = 8.0  # seconds between two tries, where the server does not say
LONGEST_ASKED = 30.0  # seconds that a server's Retry-After is waited for; one that asks for more is given up
REDIRECTS = 5
NAT64 = ipaddress.ip_network("64:ff9b::/96")
OURS = (errno.ENETUNREACH, errno.ENETDOWN, errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL)  # no network here
AGENT = "openhorizon"


class Trouble(Exception):
    """No answer: why, and whether another try may help. `ours`: the fault is on this side of the line."""

    def __init__(self, why: str, again: bool = False, ours: bool = False):
        super().__init__(why)
        self.again, self.ours = again, ours


class Answer(Record, kw_only=True):
    """What a server sent."""

    status: int
    url: str  # after redirects
    kind: str  # media type, lower case, "" if not said
    charset: str = ""  # "" if not said
    body: bytes = b""
    retry_after: float | None = None  # seconds
    cut: bool = False  # True: the body is longer than was wanted, and ends where the limit was


class Fetcher:
    """A client with limits. `private`: addresses that are not public may be reached."""

    def __init__(
        self, *, private: bool = False, seconds: float = 20.0, most: int = 5_000_000, tries: int = 4,
        sleep: Callable[[float], None] = time.sleep,
    ):  # fmt: skip
        self.private, self.seconds, self.most, self.tries, self._sleep = private, seconds, most, tries, sleep
        self._client: httpx.Client | None = None

    def ask(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None,
        check: Callable[[Answer], None] = lambda answer: None,
    ) -> Answer:  # fmt: skip
        """The answer, whatever its status, after up to `tries` tries while the line or the server is in trouble.

        `check` raises Trouble for an answer that cannot be used. Trouble: there was none to the last try; the answer of a
        server that stayed busy is returned as it is.
        """
        for number in range(1, self.tries + 1):
            wait = min(LONGEST_WAIT, 0.5 * 2 ** (number - 1)) * (
                0.5 + random.random()
            )  # never the same for two
            try:
                answer = self._follow(method, url, headers or {}, content)
                if answer.status not in BUSY:
                    check(answer)
                    return answer
                if number == self.tries or (answer.retry_after or 0) > LONGEST_ASKED:
                    return answer
                wait = max(wait, answer.retry_after or 0)
            except Trouble as trouble:
                if not trouble.again or number == self.tries:
                    raise
            self._sleep(wait)
        raise AssertionError("unreachable")

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _follow(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Answer:
        end = time.monotonic() + self.seconds
        for _ in range(REDIRECTS + 1):
            answer, onward = self._once(method, url, headers, content, end)
            if not onward:
                return answer
            if method != "GET":
                raise Trouble(f"it has moved to {onward}; give that URL")
            url = onward
        raise Trouble(f"more than {REDIRECTS} redirects")

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, end: float
    ) -> tuple[Answer, str]:
        """One request: the answer, and where it sends us ("" if nowhere)."""
        if self._client is None:
            self._client = httpx.Client(
                transport=_Transport(self.private), headers={"User-Agent": AGENT}, timeout=self.seconds, trust_env=False
            )  # fmt: skip
        try:
            request = self._client.build_request(
                method, _sound_url(url), headers=dict(headers), content=content, extensions={"end": end}
            )
            answer = self._client.send(request, stream=True)
            try:
                onward = str(answer.next_request.url) if answer.next_request is not None else ""
                return self._read(answer, "" if onward else url, end), onward
            finally:
                answer.close()
        except (httpx.InvalidURL, ValueError, UnicodeError) as error:
            raise Trouble(f"not a URL that can be asked for ({error})") from None
        except (httpx.TimeoutException, httpcore.TimeoutException) as error:
            raise Trouble(f"no answer within {self.seconds:g} seconds", again=True) from error
        except (httpx.HTTPError, httpx.StreamError, httpcore.NetworkError, httpcore.ProtocolError) as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in OURS:
                raise _of_network(error.__cause__) from error
            raise Trouble(f"the connection broke ({type(error).__name__})", again=True) from error
        except OSError as error:
            raise _of_network(error) from error

    def _read(self, answer: httpx.Response, url: str, end: float) -> Answer:
        """The body as far as it is wanted, none of a redirect's."""
        kind, _, rest = answer.headers.get("content-type", "").partition(";")
        pieces, size = [], 0
        for piece in answer.iter_bytes() if url else ():
            pieces.append(piece)
            size += len(piece)
            if size > self.most:
                break
            if time.monotonic() > end:
                raise httpcore.ReadTimeout
        return Answer(
            status=answer.status_code, url=str(answer.url), kind=kind.strip().lower(),
            charset=rest.rpartition("charset=")[2].strip(" \"'").lower() if "charset=" in rest else "",
            body=b"".join(pieces)[: self.most], cut=size > self.most,
            retry_after=_seconds(answer.headers.get("retry-after", "")),
        )  # fmt: skip


def checked(host: str, addresses: Iterable[str]) -> None:
    """Trouble, unless every address is one of the public internet."""
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        inner: Any = address
        if isinstance(address, ipaddress.IPv6Address):
            teredo = address.teredo[1] if address.teredo else None
            nat64 = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
            inner = address.ipv4_mapped or address.sixtofour or teredo or nat64 or address
        if not inner.is_global or inner.is_multicast:
            raise Trouble(f"{host} is not on the public internet")


class _Guarded(httpcore.NetworkBackend):
    """Connects to public addresses alone, and lets no operation outlast the whole request's time."""

    def __init__(self, private: bool):
        self._inner, self._private = httpcore.SyncBackend(), private

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> Any:
        found = [str(a[4][0]) for a in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        if not self._private:
            checked(host, found)
        for address in (tried := dict.fromkeys(found)):
            try:
                return self._inner.connect_tcp(address, port, timeout=(timeout or 20.0) / len(tried), **more)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if address == [*tried][-1]:
                    raise
        raise OSError(errno.EADDRNOTAVAIL, "no address")

    def connect_unix_socket(self, path: str, **_: Any) -> Any:
        raise OSError(errno.EACCES, "no sockets of this machine")

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Timed(httpcore.NetworkStream):
    """A stream whose reads and writes all end by the same moment."""

    def __init__(self, inner: Any, end: float):
        self._inner, self._end = inner, end

    def _left(self, timeout: float | None, otherwise: type[Exception]) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise otherwise("the whole request's time is over")
        return left if timeout is None else min(timeout, left)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> Any:
        left = self._left(timeout, httpcore.ConnectTimeout)
        return _Timed(self._inner.start_tls(ssl_context, server_hostname, left), self._end)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def close(self) -> None:
        self._inner.close()


class _Ending(_Guarded):
    """The back end of one request, which must be over at a moment."""

    def __init__(self, private: bool, end: float):
        super().__init__(private)
        self._end = end

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> Any:
        left = max(0.001, self._end - time.monotonic())
        return _Timed(super().connect_tcp(host, port, min(timeout or left, left), **more), self._end)


class _Transport(httpx.BaseTransport):
    """One connection a request: pages lie on many hosts, and each request has its own end."""

    def __init__(self, private: bool):
        self._private = private
        self._ssl: Any = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme == "https" and self._ssl is None:
            self._ssl = httpx.create_ssl_context()  # 50 ms: certificates are read
        end = request.extensions.get("end") or time.monotonic() + 20.0
        pool = httpcore.ConnectionPool(ssl_context=self._ssl, network_backend=_Ending(self._private, end))
        url = request.url
        try:
            answer = pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                    ),
                    headers=[*request.headers.raw, (b"Connection", b"close")],
                    content=request.stream,
                    extensions={k: v for k, v in request.extensions.items() if k == "timeout"},
                )
            )
        except BaseException:
            pool.close()
            raise
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer, pool), extensions=answer.extensions
        )


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: Any, pool: Any):
        self._answer, self._pool = answer, pool

    def __iter__(self) -> Any:
        yield from self._answer.stream

    def close(self) -> None:
        self._answer.close()
        self._pool.close()


def _of_network(error: OSError) -> Trouble:
    """A name that does not exist is the asker's mistake; a machine without a network is ours."""
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return Trouble("names cannot be looked up now", again=True, ours=True)
        return Trouble("there is no such host")
    return Trouble(
        f"no connection ({error.strerror or type(error).__name__})", again=True, ours=error.errno in OURS
    )


def _sound_url(url: str) -> httpx.URL:
    parsed = httpx.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("write http://HOST/... or https://HOST/...")
    if parsed.userinfo:
        raise ValueError("it holds a user's name or a password")
    return parsed


def _seconds(said: str) -> float | None:
    """Retry-After, which is a number of seconds or a date."""
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def broken(what: str, why: object) -> InfrastructureError:
    """The error of something around us that stayed broken."""
    return InfrastructureError(f"{what}: {why}; the attempt is aborted and not scored")
