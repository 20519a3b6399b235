"""The line to one HTTP server: timeouts, a key, what counts as broken and what as refused, waits between tries."""

import random
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec

from openhorizon.errors import ConfigError, EngineError
from openhorizon.training.signals import KEY, secret

LONGEST_WAIT = 8.0  # seconds between two tries


class Down(EngineError):
    """The server did not answer, or has no room: what else it could be asked can wait, too."""


class Refused(ConfigError):
    """The server will not answer this, however often it is asked."""

    def __init__(self, text: str, status: int = 400):  # one argument is enough to be unpickled
        super().__init__(text)
        self.status = status


class Line:
    """One HTTP server: where it is, how long it may take and how often it is asked.

    The key comes from the environment alone and stands in no message.
    """

    def __init__(
        self, url: str, *, connect_s: float = 10.0, read_s: float = 300.0, tries: int = 4, parallel: int = 8,
        sleep: Callable[[float], None] = time.sleep,
    ):  # fmt: skip
        try:
            parsed = httpx.URL(url.rstrip("/"))
        except httpx.InvalidURL as error:
            raise ConfigError(f"{url} is not a URL ({error}); a teacher is http://HOST:PORT") from None
        if parsed.scheme not in ("http", "https") or not parsed.host or (parsed.port or 80) > 65535:
            raise ConfigError(f"{url} is not the URL of a teacher; write http://HOST:PORT")
        if parsed.userinfo:
            raise ConfigError(f"the URL of the teacher at {parsed.host} holds a secret; put it in {KEY}")
        self.url = str(parsed)
        self.tries, self.parallel, self._sleep = max(1, tries), max(1, parallel), sleep
        self._key = secret()
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            verify=parsed.scheme
            == "https",  # reading the certificates takes 50 ms; redirects are not followed
            timeout=httpx.Timeout(read_s, connect=connect_s),
            limits=httpx.Limits(max_connections=self.parallel),
        )

    def close(self) -> None:
        self._client.close()

    def get(self, path: str) -> bytes:
        """What lies there, asked for up to `tries` times. EngineError, or Refused with the server's words."""
        for number in range(1, self.tries):
            try:
                return self._send("GET", path, None)
            except EngineError:
                self.wait(number)
        return self._send("GET", path, None)

    def post(self, path: str, body: bytes) -> bytes:
        """The answer, asked for once. Down, EngineError, or Refused with the server's words."""
        return self._send("POST", path, body)

    def wait(self, number: int) -> None:
        """Before the try after the `number`-th one: twice as long each time, and never the same for two clients."""
        # unseeded on purpose: clients that failed together must not come back together
        self._sleep(min(LONGEST_WAIT, 0.5 * 2 ** (number - 1)) * (0.5 + random.random()))

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        where = f"{self.url}/{path}"
        try:
            answer = self._client.request(
                method, where, content=body, headers={"Content-Type": "application/json"} if body else {}
            )
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise Down(
                f"the teacher at {where} did not answer ({type(error).__name__}: {error}); start it, or mend the URL"
            ) from error
        status, text = answer.status_code, self._words(answer)
        if status in (408, 425, 429, 502, 503, 504):
            raise Down(f"the teacher at {where} has no room ({status}: {text}); it is asked again")
        if status >= 500:
            raise EngineError(f"the teacher at {where} failed ({status}: {text}); its own log says why")
        if status in (401, 403):
            raise Refused(
                f"the teacher at {where} asks for a key ({status}: {text}); put it in {KEY}", status
            )
        if status >= 300:
            raise Refused(f"the teacher at {where} refuses ({status}): {text}", status)
        return answer.content

    def _words(self, answer: httpx.Response) -> str:
        """The server's message, without the key."""
        if answer.status_code < 300:
            return ""
        if answer.is_redirect:
            return f"it has moved to {answer.headers.get('location')}; give that URL"
        try:
            said: Any = msgspec.json.decode(answer.content)
            for name in ("error", "message", "detail"):
                said = said.get(name, said) if isinstance(said, dict) else said
        except msgspec.DecodeError:
            said = answer.text
        text = str(said).strip()[:1000] or answer.reason_phrase
        return text.replace(self._key, "***") if self._key else text
