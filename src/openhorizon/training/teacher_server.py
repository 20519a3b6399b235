"""A teacher as an HTTP server: token rows in, what the model says about them out.

GET /health, GET /identity (JSON), POST /score (JSON in, `signals.encode` out). One model, scored one request at a time;
every refusal is JSON that says what to mend, and a traceback goes to the server's own log alone.
"""

import hmac
import ipaddress
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import nn

from openhorizon.chat.chat import Chat
from openhorizon.config import ModelPlan
from openhorizon.errors import ConfigError, EngineError
from openhorizon.records import Sample
from openhorizon.training.model import head, load_model
from openhorizon.training.scoring import score_local
from openhorizon.training.signals import (
    KEY,
    Identity,
    Question,
    encode,
    pack,
    revision_of,
    secret,
    vocabulary_identity,
)  # fmt: skip

LARGEST_BODY = 16 << 20  # bytes of one request


def make_app(
    model: nn.Module, *, vocabulary: Mapping[str, int], revision: str, k_max: int, key: str = "",
    largest_body: int = LARGEST_BODY,
) -> Starlette:  # fmt: skip
    """The application that scores with `model`.

    `vocabulary` maps its tokenizer's tokens to ids; `key`, if there is one, is asked for as a bearer token.
    """
    model.eval()
    size, tokens, context = len(head(model)[0]), _tokens(model), _context(model)
    identity = Identity(
        teacher=revision, vocabulary=vocabulary_identity(vocabulary), size=size, k_max=k_max, context=context
    )  # fmt: skip
    one_at_a_time = threading.Lock()

    def answer(question: Question) -> bytes:
        samples = [Sample(token_ids=r.token_ids, loss_mask=r.mask, domain="") for r in question.rows]
        with one_at_a_time:
            signals = score_local(model, samples, question.k, revision)
        return encode([pack(s) for s in signals])

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def identify(request: Request) -> Response:
        _authorise(request, key)
        return Response(msgspec.json.encode(identity), media_type="application/json")

    async def score_rows(request: Request) -> Response:
        _authorise(request, key)
        body = await _body(request, largest_body)
        try:
            question = msgspec.json.decode(body, type=Question)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise HTTPException(
                400, f"the body is not {{k, rows: [{{token_ids, mask}}]}} as JSON ({error})"
            ) from None
        if problem := _problem(question, k_max, tokens, context):
            raise HTTPException(400, problem)
        return Response(await run_in_threadpool(answer, question), media_type="application/msgpack")

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/identity", identify),
            Route("/score", score_rows, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _refusal, EngineError: _broken, Exception: _failure},
    )


def _tokens(model: nn.Module) -> int:
    """How many token ids the model can read."""
    return int(model.get_input_embeddings().weight.shape[0])  # type: ignore[operator, union-attr]


def _context(model: nn.Module) -> int:
    """Longest row the model can read, tokens; 0: not known."""
    config: Any = model.config
    return int(getattr(config.get_text_config(), "max_position_embeddings", 0) or 0)


def _problem(question: Question, k_max: int, tokens: int, context: int) -> str:
    """What is wrong with the question and how to mend it; "": nothing."""
    if not 1 <= question.k <= k_max:
        return f"k = {question.k} is outside 1 to {k_max}; ask for less, or start the server with --k-max {question.k}"
    for number, row in enumerate(question.rows):
        if not row.token_ids:
            return f"row {number} is empty; leave it out"
        if len(row.mask) != len(row.token_ids):
            return f"row {number} has {len(row.token_ids)} token_ids and a mask of {len(row.mask)}; both have one entry a token"
        if context and len(row.token_ids) > context:
            return (
                f"row {number} has {len(row.token_ids)} tokens and this model's context holds {context}; shorten it"
            )  # fmt: skip
        if min(row.token_ids) < 0 or max(row.token_ids) >= tokens:
            wrong = next(i for i in row.token_ids if not 0 <= i < tokens)
            return f"row {number} has token id {wrong}, outside 0 to {tokens - 1}; use this model's tokenizer"
    return ""


def _authorise(request: Request, key: str) -> None:
    given = request.headers.get("authorization", "")
    if key and not hmac.compare_digest(given.encode("utf-8"), f"Bearer {key}".encode()):
        raise HTTPException(401, f"a key is needed: send Authorization: Bearer, with the server's {KEY}")


async def _body(request: Request, largest: int) -> bytes:
    """The whole body; 413 as soon as it is known to be too large."""
    parts: list[bytes] = []
    length = 0
    async for part in request.stream():
        length += len(part)
        if length > largest:
            raise HTTPException(
                413, f"the request is larger than {largest} bytes; send fewer rows in one request"
            )
        parts.append(part)
    return b"".join(parts)


def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


def _broken(request: Request, error: Exception) -> Response:
    """The model's numbers cannot be used."""
    return JSONResponse({"error": str(error)}, 500)


def _failure(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"the teacher failed ({type(error).__name__}); its own log says why"}, 500)


def serve(
    folder: Path, host: str = "127.0.0.1", port: int = 8100, *, k_max: int = 64,
    dtype: Literal["float32", "bfloat16"] = "bfloat16", device: str = "auto",
    ready: Callable[[str], None] = lambda text: None,
) -> None:  # fmt: skip
    """Serve the model of the folder until stopped; `ready` is told where, once the server listens.

    ConfigError: the host can be reached from elsewhere and no key is set, or the port is taken. ModelError: no model there.
    """
    key = secret()
    if not _loopback(host) and not key:
        raise ConfigError(
            f"{host} can be reached from other machines, and there is no key: set {KEY} to a secret here and where the "
            "student is trained, or leave --host at 127.0.0.1"
        )
    with listening(host, port) as listener:
        revision = revision_of(folder)
        vocabulary = Chat.load(folder).tokenizer.get_vocab()
        model = load_model(folder, ModelPlan(dtype=dtype, device=device)).requires_grad_(False)
        app = make_app(model, vocabulary=vocabulary, revision=revision, k_max=k_max, key=key)
        shown = f"[{host}]" if ":" in host else host
        ready(f"teacher {revision} answers at http://{shown}:{listener.getsockname()[1]}, k up to {k_max}")
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is any free one. ConfigError: it cannot."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        # the protocol is spelled out: without it asyncio leaves Nagle on, and each answer waits 40 ms
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"no server can listen at {host}:{port} ({error}); choose another --port or --host"
        ) from None
    return listener
