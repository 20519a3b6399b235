"""Who may be asked: thoughts are no answer, servers that stumble are asked again, and a key is seen by nobody."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from openhorizon.engines.ask import KEY, Endpoint, spoken
from openhorizon.errors import EngineError, UserError


class Server:
    """Answers a list of (status, body) in turn, the last one for ever; remembers what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked, self.keys = list(answers), [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                outer.keys.append(self.headers.get("Authorization"))
                outer.asked.append(
                    (self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                )
                status, body = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                if status == 0:
                    self.close_connection = True
                    return
                data = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                if status == 429:
                    self.send_header("Retry-After", "7")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def serve():
    opened = []

    def start(*answers):
        opened.append(Server(*answers))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def said(text, **more):
    return {"choices": [{"message": {"role": "assistant", "content": text, **more}}]}


def test_an_endpoint_answers_without_its_thoughts(serve, monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    server = serve((200, said("<think>is it 3?</think>\nFour.", reasoning_content="hm")))
    ask = Endpoint(server.url, "m")
    assert ask("2 + 2?") == "Four."
    path, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert (body["model"], body["messages"]) == ("m", [{"role": "user", "content": "2 + 2?"}])
    assert server.keys == [None]
    ask.close()


def test_busy_servers_are_asked_again_with_growing_waits_and_not_for_ever(serve):
    waits: list[float] = []
    server = serve((429, ""), (503, ""), (0, ""), (200, said("ok")))
    assert Endpoint(server.url, "m", sleep=waits.append)("?") == "ok"
    assert len(server.asked) == 4
    assert 7 <= waits[0] <= 10.5  # as the server asked
    assert 1 <= waits[1] <= 1.5
    assert 2 <= waits[2] <= 3
    down = serve((500, "boom"))
    with pytest.raises(EngineError, match="no answer in 3 tries"):
        Endpoint(down.url, "m", tries=3, sleep=waits.append)("?")
    assert len(down.asked) == 3


def test_a_key_comes_from_the_environment_and_is_never_shown(serve, monkeypatch):
    monkeypatch.setenv(KEY, "sesame-1234")
    server = serve((401, "the key sesame-1234 is wrong"))
    ask = Endpoint(server.url, "m")
    with pytest.raises(UserError, match=KEY) as error:
        ask("?")
    assert server.keys == ["Bearer sesame-1234"]
    assert "sesame" not in str(error.value) + repr(ask) + repr(vars(ask))
    assert len(server.asked) == 1
    with pytest.raises(UserError, match="environment variable"):
        Endpoint("http://me:sesame@host/v1", "m")


def test_nonsense_is_an_error_that_says_where(serve):
    server = serve((200, {"oops": 1}))
    with pytest.raises(EngineError, match="no choices"):
        Endpoint(server.url, "m")("?")
    with pytest.raises(UserError, match="address such as"):
        Endpoint("ftp://x", "m")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>a</think>b", "b"),
        ("a</think> b", "b"),
        ("<think>never ends", ""),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_thoughts_are_left_out(text, answer):
    assert spoken(text) == answer


def test_a_model_in_this_process_can_be_asked_from_inside_an_event_loop():
    import asyncio

    from tiny import chat, model

    from openhorizon.engines.ask import Local

    async def inside() -> tuple[str, str]:
        return ask("What is the sister of Amber Bay?"), ask("What is the sister of Amber Bay?")

    ask = Local(model(), chat(), max_tokens=8)
    first, second = asyncio.run(inside())
    assert first == second  # greedy
    ask.close()


def test_the_command_asks_the_server_and_keeps_the_template_where_the_rewriting_is_poor(serve, tmp_path):
    from typer.testing import CliRunner

    from openhorizon.cli import app
    from openhorizon.domains.search.encyclopedia import material, write_folder
    from openhorizon.records import Document

    write_folder([d for d in material(0, "full") if isinstance(d, Document)][:60], tmp_path / "pages")
    server = serve((200, said("no")))
    out = tmp_path / "t.jsonl"
    command = ["propose", "search", "--corpus", str(tmp_path / "pages"), "-n", "2", "--out", str(out)]
    done = CliRunner().invoke(app, [*command, "--ask", server.url, "--ask-model", "m", "--topic-shift", "1"])
    assert done.exit_code == 0, done.output
    assert "rewritten  0 of 2" in done.output
    assert [body["model"] for _, body in server.asked] == ["m", "m"]
    questions = [json.loads(line)["instruction"] for line in out.read_text().splitlines()]
    assert all(
        q in body["messages"][0]["content"] for q, (_, body) in zip(questions, server.asked, strict=True)
    )
    for wrong in (["--ask", server.url], ["--ask", "nowhere", "--ask-model", "m"], ["--ask-hops"]):
        assert isinstance(CliRunner().invoke(app, [*command, *wrong]).exception, (UserError, SystemExit))
