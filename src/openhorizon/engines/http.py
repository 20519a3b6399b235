"""The engine behind HTTP: any OpenAI-compatible server, by token ids where it can, else by messages.

`connect` finds out which, and says so. Token mode is what GRPO and distillation need; message mode is for evaluation and data.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import structs

from openhorizon.chat.chat import Chat
from openhorizon.engines.dialects import Dialect, Messages, Sglang, Vllm
from openhorizon.engines.engine import Request, Sampling
from openhorizon.engines.servers import Refused, Servers
from openhorizon.errors import ConfigError, EngineError
from openhorizon.records import Completion, Message

Mode = Literal["auto", "token", "message"]
_FULL = re.compile(
    r"(context|prompt|input|sequence|token).{0,80}(length|long|limit|maximum|exceed)|too (long|many tokens)",
    re.I | re.S,
)
# transformers' server does this, each time anew: the turn is drawn alike
PARSER = (
    "; a server that reads tool calls itself and trips over one that the model wrote answers so: start it with the reader of this model "
    "(vLLM and SGLang: --tool-call-parser), or use a server that gives token ids"
)
OPTIONAL = ("top_k", "seed", "top_p", "max_tokens", "temperature")  # fields that some hosted models refuse


class HttpEngine:
    """See `Engine`. `said` is one sentence on how the servers are spoken to."""

    def __init__(self, servers: Servers, dialect: Dialect, *, policy: str, said: str = "") -> None:
        self.servers, self.dialect, self.policy, self.said = servers, dialect, policy, said
        self.exact = dialect.exact

    async def complete(self, request: Request) -> Completion:
        """The next turn. A context that the server calls too long is a spent budget: an empty turn, cut off.

        EngineError: no usable answer within the tries. ConfigError: the server refuses, with its words.
        """
        while True:
            body, dropped = self.dialect.body(request), self._dropped()
            try:
                found = await self.servers.post(
                    self.dialect.path,
                    body,
                    lambda answer: self.dialect.read(answer, request),
                    request.attempt,
                )
            except Refused as refused:
                if refused.status in (400, 413, 422) and _FULL.search(str(refused)) and not self.exact:
                    return Completion(text="", finish="length", policy=self.policy)
                # another request, sent at the same time, may have learned it meanwhile
                if not self._without(str(refused)) and dropped == self._dropped():
                    raise
                continue
            except EngineError as error:
                if self.exact or not request.tools or "500: " not in str(error):
                    raise
                raise EngineError(f"{error}{PARSER}") from error
            return structs.replace(found, policy=self.policy)

    def forget(self, attempt: str) -> None:
        self.servers.forget(attempt)

    def close(self) -> None:
        """Let go of the connections."""
        self.servers.close()

    def _dropped(self) -> int:
        """How many optional fields are left out."""
        return len(self.dialect.drop) if isinstance(self.dialect, Messages) else 0

    def _without(self, why: str) -> bool:
        """Whether the server refused an optional field, which is left out from now on."""
        if not isinstance(self.dialect, Messages):
            return False
        named = [f for f in OPTIONAL if f not in self.dialect.drop and re.search(rf"\b{f}\b", why)]
        self.dialect.drop.update(named[:1])
        return bool(named)


def connect(
    urls: Sequence[str], model: str = "", *, chat: Chat | None = None, mode: Mode = "auto", policy: str = "",
    concurrency: int = 64, timeout_s: float = 600.0, tries: int = 6, servers: Servers | None = None,
) -> HttpEngine:  # fmt: skip
    """An engine over servers of one model. `model` may be left out where they serve a single one. `chat` is the tokenizer and
    template of the model's folder: without it there is no token mode.

    ConfigError: no such model there, servers that differ, or `mode` "token" where none is to be had, with the reason.
    EngineError: a server does not answer.
    """
    servers = servers or Servers(urls, concurrency=concurrency, timeout_s=timeout_s, tries=tries)
    try:
        name = _served(servers, model)
        found: list[Dialect] = []
        reasons: list[str] = []
        for url in servers.urls:
            if mode == "message":
                break
            if chat is None:
                reasons.append("no tokenizer is given: name the model's folder")
                break
            dialect, why = _token_dialect(servers, url, name, chat)
            reasons += [why] if why else []
            found += [dialect] if dialect else []
        if found and len(found) == len(servers.urls):
            if len({(d.name, getattr(d, "processed", None)) for d in found}) > 1:
                raise ConfigError(
                    f"the servers {', '.join(servers.urls)} differ in how they answer; start them alike"
                )
            dialect = found[0]
            kind = (
                "of what is sampled"
                if getattr(dialect, "processed", False)
                else "of the model, before temperature and cuts"
            )
            said = f"token mode ({dialect.name}): ids and log-probabilities {kind}"
            return HttpEngine(servers, dialect, policy=policy or name, said=said)
        if mode == "token":
            raise ConfigError(f"no token mode at {', '.join(servers.urls)}: {'; '.join(reasons)}")
        why = f" ({'; '.join(dict.fromkeys(reasons))})" if reasons else ""
        said = f"message mode{why}: for evaluation and data; GRPO and distillation need token ids"
        return HttpEngine(servers, Messages(name), policy=policy or name, said=said)
    except BaseException:
        servers.close()
        raise


def _served(servers: Servers, model: str) -> str:
    """The model's name as all servers know it; ConfigError: one does not. A server that lists nothing is believed."""
    wanted = model
    for url in servers.urls:
        try:
            names = servers.ask("/v1/models", None, _names, url)
        except Refused as refused:
            if refused.status not in (404, 405, 501):
                raise
            names = []
        if not wanted and len(names) == 1:
            wanted = names[0]
        if not wanted:
            raise ConfigError(f"{url} serves {', '.join(names) or 'it does not say what'}; name the model")
        if names and wanted not in names:
            raise ConfigError(f"{url} serves no {wanted}; it has {', '.join(names)}")
    return wanted


def _names(answer: bytes) -> list[str]:
    try:
        told: Any = msgspec.json.decode(answer)
        return [str(one["id"]) for one in told["data"]]
    except (msgspec.DecodeError, LookupError, TypeError):
        raise EngineError("a list of models that cannot be read") from None


def _token_dialect(servers: Servers, url: str, model: str, chat: Chat) -> tuple[Dialect | None, str]:
    """The first token dialect in which the server gives a short turn back exactly, or why there is none."""
    prompt = chat.prompt_ids((Message(role="user", content="Say: one two three"),))
    reasons: list[str] = []
    for kind in (Vllm, Sglang):
        trial = kind(model, chat, processed=True)
        greedy = Request(
            attempt="probe",
            turn=0,
            messages=(),
            token_ids=prompt,
            max_tokens=4,
            sampling=Sampling(temperature=0.0, top_p=1.0, top_k=0),
        )
        # of one token that may be drawn, a server that reports what it draws from gives probability 1
        only = structs.replace(greedy, max_tokens=1, sampling=Sampling(temperature=1.0, top_p=1.0, top_k=1))
        try:  # read outside: that a server speaks another dialect is no failure of it
            trial.read(servers.ask(trial.path, trial.body(greedy), bytes, url), greedy)
            drawn = trial.read(servers.ask(trial.path, trial.body(only), bytes, url), only)
        except (EngineError, Refused) as error:
            reasons.append(f"{kind.name}: {str(error)[:200]}")
            continue
        return kind(model, chat, processed=abs(drawn.logprobs[0]) < 1e-4), ""
    return None, "; ".join(reasons)
