"""Models behind servers in the evaluation: rows of the same tasks beside the run's own, also of a run that is finished."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from msgspec.structs import replace
from test_killed import recipe

from openhorizon.config import EnginePlan
from openhorizon.errors import ConfigError, RunError
from openhorizon.evaluation.statistics import EvaluationTable
from openhorizon.pipeline import Shown, advance
from openhorizon.records import Score, Split, Task
from openhorizon.settings import override, validate
from openhorizon.store import Run


class Oracle:
    """A server that knows every second task's answer, and reads what it rests on first; `asked`: models it was asked for."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.asked: list[str] = []
        oracle = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.say({"data": [{"id": "m"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                oracle.asked.append(body["model"])
                message = oracle.says(body["messages"])
                self.say({"choices": [{"message": message, "finish_reason": "stop"}]})

            def say(self, what: dict) -> None:
                data = json.dumps(what).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def knows(self, tasks: list[Task]) -> None:
        self.tasks = {t.instruction: t for t in tasks[::2]}

    def says(self, messages: list[dict]) -> dict:
        task = self.tasks.get(messages[1]["content"])
        seen = sum(m["role"] == "tool" for m in messages)
        if task is None or seen == len(task.evidence):
            return {"content": task.answer if task else "nobody knows"}
        title = task.evidence[seen].node.removeprefix("wiki/").partition("#")[0]
        call = {"name": "read_page", "arguments": json.dumps({"title": title})}
        return {"content": "", "tool_calls": [{"id": "0", "type": "function", "function": call}]}


@pytest.fixture
def oracle() -> Iterator[Oracle]:
    found = Oracle()
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()


class Told(Shown):
    """What a person would be told."""

    def __init__(self) -> None:
        self.stages: dict[str, bool] = {}
        self.summaries: dict[str, dict] = {}

    def result(self, verb: str, summary: dict, skipped: bool, seconds: float) -> None:
        self.stages[verb], self.summaries[verb] = skipped, summary


def alone(*settings: str):
    """Search alone, nothing trained."""
    whole = recipe()
    small = replace(whole, name="served", domains={"search": whole.domains["search"]}, teachers={}, workers=1)
    small = replace(small, distill=replace(small.distill, steps=0))
    return override(small, ["evaluation.own=false", *settings])


def go(runs: Path, *settings: str, until: str = "report") -> Told:
    told = Told()
    with Run.open(runs, "served", alone(*settings)) as run:
        advance(run, until, told)
    return told


def test_a_served_model_gets_its_row_and_another_one_joins_a_finished_run(oracle: Oracle, tmp_path: Path):
    first = f"evaluation.served.gpt.urls={oracle.url}"
    go(tmp_path, first, until="propose")
    run = Run.load(tmp_path / "served")
    oracle.knows(run.stage("tasks").read_jsonl(f"search/{Split.HELDOUT}.jsonl", Task))
    told = go(tmp_path, first)
    assert set(told.stages) == {"graph", "propose", "evaluate", "report"}  # nothing was trained
    assert "message mode" in told.summaries["evaluate"]["gpt is served"]
    table = run.read_json("evaluation/summary.json", EvaluationTable)
    (rate,) = (s for s in table.summaries if s.domain == "search")
    assert (rate.model, rate.n, rate.mean) == ("gpt", 4, 0.5)
    assert rate.low < 0.5 < rate.high
    assert "gpt" in (run.dir / "report.html").read_text()

    asked = len(oracle.asked)
    assert asked > 4  # tools were called
    assert go(tmp_path).stages == dict.fromkeys(told.stages, True)  # a finished run stays finished
    oracle.tasks = {}
    again = go(tmp_path, f"evaluation.served.other.urls={oracle.url}", "evaluation.served.other.model=m")
    assert again.stages == {"graph": True, "propose": True, "evaluate": False, "report": False}
    assert len(oracle.asked) == asked + 4  # the first model's rows were there
    scores = run.stage("evaluation").read_jsonl("scores.jsonl", Score)
    assert {m: sum(s.passed for s in scores if s.model == m) for m in ("gpt", "other")} == {
        "gpt": 2,
        "other": 0,
    }
    assert Run.load(run.dir).recipe.evaluation.served["other"].model == "m"
    assert go(tmp_path).stages == dict.fromkeys(told.stages, True)


def test_the_model_under_a_name_stays_what_it_was(oracle: Oracle, tmp_path: Path):
    first = "evaluation.served.gpt.urls=http://127.0.0.1:1"
    go(tmp_path, first, until="graph")
    go(tmp_path, "evaluation.served.gpt.urls=http://127.0.0.1:2", until="graph")  # it may have moved
    with pytest.raises(RunError, match=r"served\.gpt\.model"):
        go(tmp_path, first, "evaluation.served.gpt.model=another", until="graph")


def test_a_server_that_is_not_there_is_told_before_anything_is_played(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("openhorizon.engines.servers.WAIT", 0.0)
    from openhorizon.jobs.evaluating import connected

    with pytest.raises(Exception, match="is it up"):
        connected(EnginePlan(urls=("http://127.0.0.1:9",)), "gpt")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("evaluation.served.student.urls=http://h", "give the model another name"),
        ("evaluation.served.gpt.model=x", "urls is empty"),
        ("evaluation.served.gpt.urls=http://me:hunter2@h", "not a URL without query and secrets"),
        ("evaluation.own=false", "leaves nothing to evaluate"),
        ("cluster.address=ray://h:10001", "on a machine of the cluster"),
        ("cluster.address=nowhere", "none of local, auto and HOST:PORT"),
        ("cluster.workers=2", "set cluster.address"),
    ],
)
def test_what_cannot_be_is_said_before_a_run_begins(setting: str, said: str):
    with pytest.raises(ConfigError, match=said) as told:
        validate(override(recipe(), [setting]))
    assert "hunter2" not in str(told.value)


def test_a_name_that_is_no_models_is_still_an_error():
    with pytest.raises(ConfigError, match="there is no 'serach' here"):
        override(recipe(), ["domains.serach.train=3"])
    with pytest.raises(ConfigError, match="there is no 'url' here; did you mean urls"):
        override(recipe(), ["evaluation.served.gpt.url=http://h"])
