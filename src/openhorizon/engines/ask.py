"""Who may be asked in plain words (`domains.domain.Ask`): a function, a model in this process, or an endpoint.

A function is an `Ask` as it is. What a model thinks before it answers is not part of the answer.
"""

import asyncio
import os
import random
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from openhorizon.engines.engine import Request, Sampling
from openhorizon.errors import EngineError, UserError
from openhorizon.records import Message

if TYPE_CHECKING:
    import httpx
    from torch import nn

    from openhorizon.chat.chat import Chat

KEY = "OPENHORIZON_ASK_KEY"  # the environment variable an endpoint's key is read from, at each call
TRIES = 5  # of one question
WAIT, LONGEST = 0.5, 30.0  # seconds before the second try, doubled each time; most seconds of a wait
AGAIN = (408, 409, 425, 429, 500, 502, 503, 504, 529)  # answers that say "later"
_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.S)
_CUT_THOUGHT = re.compile(
    r"^.*</(?:think|thinking|reasoning)>", re.S
)  # templates that open the thought themselves


def spoken(text: str) -> str:
    """What is said, without the thoughts before it; "" where the thought never ended.

    >>> spoken("<think>hm</think> yes"), spoken("hm</think>yes"), spoken("<think>hm")
    ('yes', 'yes', '')
    """
    said = _CUT_THOUGHT.sub("", _THOUGHT.sub("", text))
    return "" if re.match(r"\s*<(think|thinking|reasoning)>", said) else said.strip()


class Endpoint:
    """An OpenAI-compatible server. Calling it sends one question and returns the answer's text.

    A key, where the server wants one, stands in the environment variable OPENHORIZON_ASK_KEY and nowhere else.
    EngineError: no answer within the tries. UserError: the server refuses (no such model, a wrong key), or the URL is none.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        max_tokens: int = 1024,
        temperature: float = 0.0,
        timeout_s: float = 120.0,
        tries: int = TRIES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        import httpx

        self.model = model
        self._url = url.rstrip("/").removesuffix("/chat/completions") + "/chat/completions"
        try:
            parsed = httpx.URL(self._url)
        except httpx.InvalidURL as error:
            raise UserError(
                f"--ask {url}: {error}; give an address such as http://127.0.0.1:8000/v1"
            ) from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise UserError(f"--ask {url}: give an address such as http://127.0.0.1:8000/v1")
        if parsed.userinfo or parsed.query:
            raise UserError(
                f"--ask holds a name, password or query; put a key into the environment variable {KEY}"
            )
        self._more = {"max_tokens": max_tokens, "temperature": temperature}
        self._tries, self._sleep = tries, sleep
        self._jitter = random.Random()  # several processes must not come back at the same moment
        self._client = httpx.Client(timeout=httpx.Timeout(timeout_s, connect=min(10.0, timeout_s)))

    def __call__(self, text: str) -> str:
        import httpx

        why = ""
        for number in range(self._tries):
            if number:
                self._sleep(self._wait(number, why))
            try:
                answer = self._client.post(self._url, json=self._body(text), headers=_headers())
            except httpx.TransportError as error:
                why = type(error).__name__
                continue
            if answer.status_code in AGAIN:
                why = f"{answer.status_code} {answer.headers.get('retry-after', '')}".strip()
                continue
            return self._read(answer)
        raise EngineError(
            f"{self._url} gave no answer in {self._tries} tries (the last: {why}); is the server up?"
        )

    def close(self) -> None:
        self._client.close()

    def _body(self, text: str) -> dict[str, Any]:
        return {"model": self.model, "messages": [{"role": "user", "content": text}], **self._more}

    def _wait(self, number: int, why: str) -> float:
        """Seconds before the next try: what the server asks for, else doubling, with up to half of it drawn."""
        asked = why.partition(" ")[2]
        least = float(asked) if asked.replace(".", "", 1).isdigit() else WAIT * 2 ** (number - 1)
        return min(LONGEST, least * self._jitter.uniform(1.0, 1.5))

    def _read(self, answer: "httpx.Response") -> str:
        if answer.status_code >= 400:
            raise UserError(
                f"{self._url} refuses ({answer.status_code}): {_hidden(answer.text)[:300]}; {_mend(answer)}"
            )
        try:
            content = answer.json()["choices"][0]["message"].get("content")
        except (ValueError, LookupError, TypeError, AttributeError):
            raise EngineError(f"{self._url} answered with no choices: {_hidden(answer.text)[:200]}") from None
        return spoken(content if isinstance(content, str) else "")


class Local:
    """A model in this process, greedy, one question at a time. Calling it returns the answer's text."""

    def __init__(self, model: "nn.Module", chat: "Chat", *, max_tokens: int = 512) -> None:
        from openhorizon.engines.local import LocalEngine

        self._engine = LocalEngine(model, chat, policy="ask", slots=1)
        self._chat, self._max_tokens, self._asked = chat, max_tokens, 0
        self._thread = ThreadPoolExecutor(1)  # whoever asks may be inside an event loop of their own

    def __call__(self, text: str) -> str:
        messages = (Message(role="user", content=text),)
        self._asked += 1
        request = Request(
            attempt=f"ask/{self._asked}", turn=0, messages=messages, token_ids=self._chat.prompt_ids(messages),
            max_tokens=self._max_tokens, sampling=Sampling(temperature=0.0),
        )  # fmt: skip
        try:
            completion = self._thread.submit(asyncio.run, self._engine.complete(request)).result()
        finally:
            self._engine.forget(request.attempt)
        return spoken(completion.text)

    def close(self) -> None:
        self._thread.shutdown()


def _headers() -> dict[str, str]:
    key = os.environ.get(KEY, "").strip()
    return {"Authorization": f"Bearer {key}"} if key else {}


def _hidden(text: str) -> str:
    """The server's words without the key, should it repeat it."""
    key = os.environ.get(KEY, "").strip()
    return " ".join((text.replace(key, "***") if key else text).split())


def _mend(answer: "httpx.Response") -> str:
    if answer.status_code in (401, 403):
        return f"put the key into the environment variable {KEY}"
    return "check --ask and --ask-model"
