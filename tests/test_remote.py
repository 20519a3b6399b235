"""Teachers over HTTP: our own server and a vLLM server, played by tiny models on loopback ports, with everything that breaks."""

import json
import pickle
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import pytest
import tiny
import torch
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from torch import nn
from typer.testing import CliRunner

from openhorizon import cli
from openhorizon.errors import ConfigError, EngineError
from openhorizon.records import Sample
from openhorizon.training import remote
from openhorizon.training.line import Refused
from openhorizon.training.model import head
from openhorizon.training.remote import OwnTeacher, VllmTeacher, connect
from openhorizon.training.scoring import score_local
from openhorizon.training.signals import KEY, Signal, pack, unpack, vocabulary_identity
from openhorizon.training.teacher_server import listening, make_app, serve

K = 8
ROWS = [tiny.sample(n, n) for n in (12, 40, 7, 33)]


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv(KEY, raising=False)


@contextmanager
def running(app: Starlette) -> Iterator[str]:
    """The app on a free loopback port; its URL."""
    with listening("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)


@cache
def teacher() -> nn.Module:
    return tiny.model(3)


def own_app(model: nn.Module | None = None, **changes: Any) -> Starlette:
    options: dict[str, Any] = {"vocabulary": tiny.chat().tokenizer.get_vocab(), "revision": "r1", "k_max": 16}
    return make_app(model or teacher(), **options | changes)


@pytest.fixture(scope="module")
def own() -> Iterator[str]:
    with running(own_app()) as url:
        yield url


def quiet(url: str, **options: Any):
    """A connection that never really waits; what it would have waited is in the second value."""
    waits: list[float] = []
    return connect(url, sleep=waits.append, read_s=options.pop("read_s", 20.0), **options), waits


def same(found: Signal | None, local: Signal, atol: float = 2e-3) -> None:
    """To half precision."""
    assert found is not None
    assert torch.equal(found.ids_NK, local.ids_NK)
    torch.testing.assert_close(found.logprobs_NK, local.logprobs_NK, atol=atol, rtol=1e-3)
    torch.testing.assert_close(found.sampled_N, local.sampled_N, atol=atol, rtol=1e-3)


# our own server


def test_our_server_says_what_the_model_says_here(own, monkeypatch):
    monkeypatch.setattr(remote, "REQUEST_TOKENS", 50)  # several requests, one of them for a row alone
    rows = [
        *ROWS,
        tiny.sample(60, 9),
        tiny.sample(5, 1, mask=(False,) * 5),
        tiny.sample(3, 2, mask=(True,) * 3),
    ]
    far, waits = quiet(own)
    found = far.score(rows, K)
    for one, local in zip(found, score_local(teacher(), rows, K, "r1")):
        same(one, local)
        assert one is not None
        assert one.teacher == "r1"
        again = unpack(pack(one))  # as it would come out of a cache
        assert torch.equal(again.logprobs_NK, one.logprobs_NK)
    assert waits == []
    assert far.score([], K) == []


def test_the_server_says_who_it_is(own):
    far, _ = quiet(f"{own}/")
    assert isinstance(far, OwnTeacher)
    assert (far.revision, far.k_max, far.size) == ("r1", 16, len(head(teacher())[0]))
    assert far.vocabulary == vocabulary_identity(tiny.chat().tokenizer.get_vocab())
    assert httpx.get(f"{own}/health").json() == {"status": "ok"}
    assert quiet(own, revision="r1")[0].revision == "r1"
    with pytest.raises(ConfigError, match="is teacher r1, not r2"):
        quiet(own, revision="r2")


def test_more_than_the_server_gives_is_refused_with_the_mend(own):
    with pytest.raises(ConfigError, match="--k-max 17"):
        quiet(own)[0].score(ROWS, 17)


def test_a_vocabulary_smaller_than_k_is_answered_whole():
    with running(own_app(k_max=1000)) as url:
        far, _ = quiet(url)
        found = far.score([ROWS[2], tiny.sample(5, 1, mask=(False,) * 5)], 900)
        assert [s.ids_NK.shape for s in found if s is not None] == [(4, far.size), (0, far.size)]
        same(found[0], score_local(teacher(), ROWS[2:3], 900, "r1")[0])


def test_a_refusal_crosses_processes():
    error = pickle.loads(pickle.dumps(Refused("no", 404)))
    assert (str(error), error.status) == ("no", 404)


def test_a_server_that_became_another_teacher_is_not_believed(own):
    far, _ = quiet(own)
    far.revision = "r0"
    with pytest.raises(ConfigError, match="was teacher r0 and is now r1"):
        far.score(ROWS, K)


def row(ids: Any = (1, 2), mask: Any = (False, True)) -> dict[str, Any]:
    return {"token_ids": list(ids), "mask": list(mask)}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"k": 17, "rows": [row()]}, "--k-max 17"),
        ({"k": 0, "rows": [row()]}, "outside 1 to 16"),
        ({"k": 4, "rows": [row(), row((1, 999))]}, "row 1 has token id 999, outside 0 to"),
        ({"k": 4, "rows": [row((1, -1))]}, "token id -1"),
        ({"k": 4, "rows": [row((1, 2), (True,))]}, "a mask of 1"),
        ({"k": 4, "rows": [row((), ())]}, "row 0 is empty"),
        ({"k": 4, "rows": [row((1,) * 513, (True,) * 513)]}, "context holds 512"),
        ({"k": 4, "rows": [row(("a", "b"))]}, "Expected `int`"),
        ({"k": 4, "rows": [row((1, 2**70))]}, "use this model's tokenizer"),
        ({"rows": []}, "missing required field `k`"),
        ([1], "the body is not"),
        ("{", "the body is not"),
        (b"\xff\xfe", "the body is not"),
    ],
)
def test_a_wrong_question_is_answered_with_its_mend(own, asked, said):
    body = asked if isinstance(asked, (str, bytes)) else json.dumps(asked)
    answer = httpx.post(f"{own}/score", content=body)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]
    assert "Traceback" not in answer.text


def test_places_and_sizes_that_are_not_served_are_refused_as_json(own):
    assert httpx.get(f"{own}/nosuch").json() == {"error": "Not Found"}
    assert httpx.get(f"{own}/score").status_code == 405
    with running(own_app(largest_body=100)) as url:
        answer = httpx.post(f"{url}/score", content=b" " * 101)
        assert answer.status_code == 413
        assert "send fewer rows" in answer.json()["error"]
        with pytest.raises(ConfigError, match="send fewer rows"):
            quiet(url)[0].score(ROWS, K)


class Explosive(nn.Module):
    """A teacher that breaks on one token: NaN, or an exception."""

    def __init__(self, token: int, raises: bool):
        super().__init__()
        self.inner, self.token, self.raises = tiny.model(3), token, raises
        self.inner.get_decoder().register_forward_hook(self.spoil, with_kwargs=True)  # type: ignore[operator]

    def spoil(self, module: Any, inputs: Any, named: Any, output: Any) -> None:
        hit_B = (named["input_ids"] == self.token).any(-1)
        if self.raises and bool(hit_B.any()):
            raise ZeroDivisionError("secret words")
        output.last_hidden_state[hit_B] = torch.nan


@pytest.mark.parametrize("raises", [False, True])
def test_one_row_that_breaks_the_teacher_does_not_cost_its_neighbours(raises):
    bad = Sample(token_ids=(5, 305, 7), loss_mask=(False, True, True), domain="towns")
    with running(own_app(Explosive(305, raises).inner)) as url:
        answer = httpx.post(f"{url}/score", json={"k": 4, "rows": [row(bad.token_ids, bad.loss_mask)]})
        assert answer.status_code == 500
        assert ("ZeroDivisionError" if raises else "NaN") in answer.json()["error"]
        assert "secret words" not in answer.text
        far, waits = quiet(url, tries=3)
        found = far.score([ROWS[0], bad, ROWS[1]], K)
        assert [s is None for s in found] == [False, True, False]
        same(found[2], score_local(teacher(), ROWS[1:2], K, "r1")[0])
        assert len(waits) == 2
        assert "failed (500" in far.trouble


def test_a_key_is_asked_for_and_never_said(monkeypatch):
    with running(own_app(key="sesame")) as url:
        assert httpx.get(f"{url}/health").status_code == 200
        for asked in (httpx.get(f"{url}/identity"), httpx.post(f"{url}/score", json={})):
            assert asked.status_code == 401
        with pytest.raises(ConfigError, match=KEY):
            quiet(url)
        monkeypatch.setenv(KEY, "wrong")
        with pytest.raises(ConfigError) as caught:
            quiet(url)
        assert "wrong" not in str(caught.value)
        monkeypatch.setenv(KEY, "sesame")
        far, _ = quiet(url)
        assert far.score(ROWS[:1], K)[0] is not None
        monkeypatch.delenv(KEY)  # the connection keeps the key it was made with
        assert far.score(ROWS[:1], K)[0] is not None


# a vLLM server


@dataclass
class Vllm:
    """What the server does wrong, and what it was asked."""

    mode: str = "sound"
    broken: int = 0  # answer this many requests with 500 first
    cap: int = 64
    asked: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/models", self.models),
                Route("/v1/completions", self.complete, methods=["POST"]),
            ]
        )

    async def models(self, request: Request) -> Response:
        return JSONResponse(
            {"object": "list", "data": [{"id": "tutor", "root": "org/tutor-9b", "object": "model"}]}
        )

    def complete(self, request: Request) -> Response:
        import anyio.from_thread

        asked = json.loads(anyio.from_thread.run(request.body))
        self.asked.append(asked)
        k = asked["prompt_logprobs"]
        if self.broken:
            self.broken -= 1
            return JSONResponse({"error": {"message": "engine died", "code": 500}}, 500)
        if k > self.cap:
            said = f"Requested prompt logprobs of {k}, which is greater than max allowed: {self.cap}"
            return JSONResponse({"error": {"message": said, "type": "BadRequestError", "code": 400}}, 400)
        if self.mode == "refuses":
            return JSONResponse(
                {"object": "error", "message": "This model's maximum context length is 8"}, 400
            )
        if self.mode == "busy":
            return JSONResponse({"detail": "try later"}, 429)
        if self.mode == "slow":
            time.sleep(0.6)
        if self.mode == "page":
            return HTMLResponse("<html>welcome</html>")
        if self.mode == "moved":
            return RedirectResponse("http://elsewhere.example/")
        told = self.spoilt(prompt_logprobs(asked["prompt"], k), asked["prompt"])
        answer: dict[str, Any] = {"id": "x", "choices": [{"index": 0, "text": "!", "prompt_logprobs": told}]}
        if self.mode == "elsewhere":
            answer = {"choices": [{"index": 0, "text": "!"}], "prompt_logprobs": told}
        text = json.dumps(answer)  # writes NaN as NaN
        return Response(text[: len(text) // 2] if self.mode == "cut" else text, media_type="application/json")

    def spoilt(self, told: list[Any], prompt: list[int]) -> list[Any]:
        last = told[-1]
        own, other = str(prompt[-1]), next(reversed(last))
        if self.mode == "short":
            told.pop()
        elif self.mode == "hole":
            told[-1] = None
        elif self.mode == "entry missing":
            last.pop(other)
            last.pop(next(reversed(last)))
        elif self.mode == "own token missing":
            last.pop(own)
        elif self.mode == "nan":
            last[other]["logprob"] = float("nan")
        elif self.mode == "null":
            last[other]["logprob"] = None
        elif self.mode == "above zero":
            last[other]["logprob"] = 3.0
        elif self.mode == "own is better":
            last[own]["logprob"] = -1e-3
        elif self.mode == "minus infinity":
            last[other]["logprob"] = last[own]["logprob"] = -9999.0
        return told


def prompt_logprobs(prompt: list[int], k: int) -> list[Any]:
    """As vLLM writes them: nothing for the first token, then the prompt's own token and the top k."""
    with torch.no_grad():
        logprobs_TV = torch.log_softmax(teacher()(torch.tensor([prompt])).logits[0], -1)
    told: list[Any] = [None]
    for t in range(1, len(prompt)):
        top = logprobs_TV[t - 1].topk(k)
        of_t = {prompt[t]: float(logprobs_TV[t - 1, prompt[t]])} | dict(
            zip(top.indices.tolist(), top.values.tolist())
        )
        ranks = (logprobs_TV[t - 1][:, None] >= torch.tensor(list(of_t.values()))).sum(0).tolist()
        told.append(
            {
                str(i): {"logprob": v, "rank": r, "decoded_token": "x"}
                for (i, v), r in zip(of_t.items(), ranks)
            }
        )
    return told


FAKE = Vllm()


@pytest.fixture(scope="module")
def vllm_url() -> Iterator[str]:
    with running(FAKE.app()) as url:
        yield url


@pytest.fixture
def vllm(vllm_url) -> tuple[str, Vllm]:
    fresh = Vllm()
    FAKE.__dict__.update(fresh.__dict__)
    return vllm_url, FAKE


@pytest.mark.parametrize("mode", ["sound", "elsewhere"])
@pytest.mark.parametrize("path", ["", "/v1", "/v1/"])
def test_a_vllm_server_says_what_the_model_says_here(vllm, mode, path):
    url, server = vllm
    server.mode = mode
    far, _ = quiet(url + path)
    assert isinstance(far, VllmTeacher)
    assert (far.revision, far.vocabulary) == ("vllm:org/tutor-9b", None)
    rows = [*ROWS, tiny.sample(5, 1, mask=(False,) * 5)]
    found = far.score(rows, K)
    for one, local in zip(found, score_local(teacher(), rows, K, "t")):
        same(one, local)
    assert len(server.asked) == len(ROWS)  # nothing is asked about a row without loss
    first = next(a for a in server.asked if tuple(a["prompt"]) == ROWS[0].token_ids)
    assert first == {
        "model": "tutor", "prompt": list(ROWS[0].token_ids), "max_tokens": 1, "prompt_logprobs": K,
        "temperature": 0, "add_special_tokens": False,
    }  # fmt: skip


def test_the_prompts_own_token_beyond_the_top_k_is_no_part_of_the_support():
    told = prompt_logprobs(list(ROWS[1].token_ids), K)
    assert {len(row) for row in told[1:]} == {K, K + 1}  # both kinds occur
    answer = json.dumps({"choices": [{"prompt_logprobs": told}]}).encode()
    found = remote.read_prompt_logprobs(answer, ROWS[1], K, "t")
    at = [t for t, m in enumerate(ROWS[1].loss_mask) if m]
    for n, t in enumerate(at):
        own, row = ROWS[1].token_ids[t], told[t]
        assert (own in found.ids_NK[n]) == (len(row) == K)
        assert float(found.sampled_N[n]) == pytest.approx(row[str(own)]["logprob"], rel=1e-3)
    assert bool((found.logprobs_NK[:, :-1] >= found.logprobs_NK[:, 1:]).all())


def test_minus_infinity_comes_through_json(vllm):
    url, server = vllm
    server.mode = "minus infinity"
    (found,) = quiet(url)[0].score(ROWS[:1], K)
    assert found is not None
    assert found.logprobs_NK[-1, -1] == found.sampled_N[-1] == -torch.inf


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("short", "11 positions for 12 tokens"),
        ("hole", "position 11 has no log-probability"),
        ("entry missing", "has 7 entries, not its top 8"),
        ("own token missing", "of its own token"),
        ("nan", "no answer of vLLM"),
        ("null", "no answer of vLLM"),
        ("above zero", "1 of 54 log-probabilities are NaN or above 0"),
        ("own is better", "its own token is among the top 8"),
        ("cut", "no answer of vLLM"),
        ("page", "no answer of vLLM"),
        ("busy", "has no room .429: try later"),
    ],
)
def test_an_answer_that_cannot_be_used_is_asked_for_again_and_then_given_up(vllm, mode, said):
    url, server = vllm
    far, waits = quiet(url, tries=3)
    server.mode = mode
    assert far.score(ROWS[:1], K) == [None]
    assert len(server.asked) == 3
    assert len(waits) == 2
    assert all(0 < w <= 12 for w in waits)
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(far.trouble)


def test_a_server_that_fails_and_recovers_costs_waits_alone(vllm):
    url, server = vllm
    far, waits = quiet(url, parallel=1)
    server.broken = 3
    same(far.score(ROWS[:1], K)[0], score_local(teacher(), ROWS[:1], K, "t")[0])
    assert len(waits) == 3
    server.broken = 10_000
    assert far.score(ROWS, K) == [None] * len(ROWS)
    assert "failed (500: engine died)" in far.trouble
    assert len(server.asked) == 4 + 4 * len(ROWS)


def test_a_cap_below_k_is_refused_with_vllms_own_option(vllm):
    url, server = vllm
    far, waits = quiet(url, parallel=1)
    server.cap = 4
    with pytest.raises(ConfigError, match=r"`--max-logprobs 8`.*max allowed: 4"):
        far.score(ROWS[:1], K)
    server.cap, server.mode = 64, "refuses"
    with pytest.raises(ConfigError, match="maximum context length is 8"):
        far.score(ROWS[:1], K)
    assert (waits, len(server.asked)) == ([], 2)


def test_a_refusal_does_not_wait_for_the_other_requests(vllm):
    url, server = vllm
    far, _ = quiet(url)
    server.cap = 4
    with pytest.raises(ConfigError, match="max-logprobs"):
        far.score(ROWS, K)


def test_silence_is_not_waited_for_longer_than_agreed(vllm):
    url, server = vllm
    far, waits = quiet(url, tries=2, read_s=0.3)
    server.mode = "slow"
    assert far.score(ROWS[2:3], K) == [None]
    assert "ReadTimeout" in far.trouble
    assert len(waits) == 1


def test_a_server_that_has_moved_is_not_followed(vllm):
    url, server = vllm
    far, _ = quiet(url)
    server.mode = "moved"
    with pytest.raises(ConfigError, match=r"moved to http://elsewhere\.example"):
        far.score(ROWS[:1], K)


def test_a_model_is_named_or_the_first_and_must_be_there(vllm):
    url, _ = vllm
    assert quiet(url, model="tutor", revision="mine")[0].revision == "mine"
    assert quiet(url, vocabulary="abc")[0].vocabulary == "abc"
    with pytest.raises(ConfigError, match="has no model nosuch; it has tutor"):
        quiet(url, model="nosuch")


# nobody, and somebody else


def test_a_server_that_hangs_up_is_a_missing_answer(vllm):
    url, _ = vllm
    far, waits = quiet(url, tries=2, parallel=1)

    def hang_up(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            connection.recv(100)
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hang_up, args=(listener,), daemon=True)
        thread.start()
        far.line.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert far.score(ROWS[:1], K) == [None]
        thread.join(5)
    assert far.score(ROWS, K) == [None] * len(ROWS)  # and now nobody listens
    assert "did not answer" in far.trouble
    assert len(waits) == 1 + len(ROWS)
    far.close()


def test_nobody_there_is_said_after_a_bounded_number_of_tries():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    waits: list[float] = []
    with pytest.raises(EngineError, match=r"did not answer .*start it, or mend the URL"):
        connect(f"http://127.0.0.1:{port}", sleep=waits.append, tries=3)
    assert len(waits) == 2


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://host/x", "http://", "http://user:hidden@host:1", "http://h:99999"]
)
def test_what_is_no_url_of_a_teacher_is_refused(url):
    with pytest.raises(ConfigError) as caught:
        connect(url)
    assert "hidden" not in str(caught.value)


def test_a_server_of_another_kind_is_told_apart():
    async def page(request: Request) -> Response:
        return HTMLResponse("<html>hello</html>")

    with (
        running(Starlette(routes=[Route("/identity", page)])) as url,
        pytest.raises(ConfigError, match="neither"),
    ):
        quiet(url)


# the command


def call(*arguments: object):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def test_the_command_refuses_what_could_not_be_served(tmp_path, monkeypatch):
    listed = [
        line.split()[1] for line in call("--help").stdout.splitlines() if line[:3] in ("│ r", "│ d", "│ t")
    ]
    assert listed == ["run", "recipe", "demonstrate", "teach", "distill", "report", "doctor", "teacher"]
    said = call("teacher", "serve", "--help").stdout
    assert [o for o in ("--host", "--port", "--k-max", "--dtype", "--device") if o not in said] == []
    for host in ("0.0.0.0", "::", "192.168.1.7", "example.org"):
        open_to_all = call("teacher", "serve", tmp_path, "--host", host)
        assert open_to_all.exit_code == 2, open_to_all.output
        assert KEY in open_to_all.stderr
        assert "there is no key" in open_to_all.stderr
    nowhere = call("teacher", "serve", tmp_path, "--port", 0)
    assert (nowhere.exit_code, "holds no model" in nowhere.stderr) == (2, True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = call("teacher", "serve", tmp_path, "--port", listener.getsockname()[1])
    assert (taken.exit_code, "choose another --port" in taken.stderr) == (2, True)
    monkeypatch.setenv(KEY, "sesame")
    assert "holds no model" in call("teacher", "serve", tmp_path, "--host", "0.0.0.0", "--port", 0).stderr


def test_a_folder_is_served_until_it_is_stopped(tmp_path, monkeypatch):
    folder = tiny.save(teacher(), tmp_path / "teacher")
    said: list[str] = []
    started: list[uvicorn.Server] = []
    plain = uvicorn.Server.run
    monkeypatch.setattr(
        uvicorn.Server, "run", lambda self, **more: (started.append(self), plain(self, **more))
    )
    options: dict[str, Any] = {
        "port": 0,
        "k_max": 16,
        "dtype": "float32",
        "device": "cpu",
        "ready": said.append,
    }
    thread = threading.Thread(target=serve, args=(folder,), kwargs=options, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not said and time.monotonic() < until:
        time.sleep(0.02)
    url = said[0].split(" at ")[1].split(",")[0]
    far, _ = quiet(url)
    assert said[0].startswith(f"teacher {far.revision} ")
    same(far.score(ROWS[:1], K)[0], score_local(teacher(), ROWS[:1], K, "t")[0])
    started[0].should_exit = True
    thread.join(10)
    assert not thread.is_alive()
