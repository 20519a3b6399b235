"""A conversation whose user sits at the keyboard, and the commands that serve a model."""

from pathlib import Path

import pytest
from towns import TOWNS, NoSandbox, graph_of, propose

from openhorizon.domains.domain import Order, Resources
from openhorizon.engines import serving
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.errors import ModelError, UserError
from openhorizon.records import Judged, Message, Split, ToolCall
from openhorizon.retrieval.index import Index
from openhorizon.rollout.play import Play
from openhorizon.talk import Shown, talk


def test_a_conversation_shows_each_call_and_result_and_goes_on_until_the_user_ends_it():
    graph = graph_of()
    resources = Resources(graph, Index.of_graph(graph), NoSandbox())
    task = next(propose(graph, Order(split=Split.TRAIN, seed=0)))
    town = task.setup["town"]

    def script(_: str):
        yield Message(
            role="assistant", content="looking", calls=(ToolCall(name="find", arguments={"town": town}),)
        )
        yield Message(role="assistant", calls=(ToolCall(name="find", arguments={"nonsense": 1}),))
        yield Message(role="assistant", content="first answer")
        yield Message(role="assistant", content="second answer")

    said: list[tuple[str, str]] = []
    replies = iter(["and then?", None])
    shown = Shown(lambda m: said.append(("model", m.content)), lambda name, text: said.append((name, text)))
    ended = talk(
        task,
        TOWNS,
        Play(ScriptedEngine(script), resources),
        shown,
        lambda: next(replies),
        4096,
        "hello there",
    )
    assert isinstance(ended, Judged)
    run = ended.trajectory
    assert run.prompt[-1].content == "hello there"
    assert [t.reply for t in run.turns] == ["", "", "and then?", ""]
    assert [who for who, _ in said] == ["model", "find", "model", "model", "model"]
    assert run.turns[1].results[0].text.startswith("error")
    assert said[1][1] == run.turns[0].results[0].text
    assert run.answer == "second answer"


def test_the_server_that_is_installed_is_started_with_tools_on(tmp_path: Path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(ModelError, match="holds no model"):
        serving.command("vllm", folder, "m", "127.0.0.1", 8000)
    (folder / "config.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("<function= <think>")
    vllm = serving.command("vllm", folder, "m", "127.0.0.1", 8000)
    assert vllm[vllm.index("--tool-call-parser") :][:4] == [
        "--tool-call-parser",
        "qwen3_coder",
        "--reasoning-parser",
        "qwen3",
    ]
    assert "processed_logprobs" in vllm
    assert "sglang.launch_server" in serving.command("sglang", folder, "m", "h", 1)
    assert serving.command("transformers", folder, "m", "h", 1)[-4:] == ["--host", "h", "--port", "1"]
    there = {"vllm"}
    monkeypatch.setattr(serving.importlib.util, "find_spec", lambda name: name if name in there else None)
    assert serving.choose("auto") == "vllm"
    with pytest.raises(UserError, match="sglang is not installed: pip install sglang"):
        serving.choose("sglang")
    there.clear()
    with pytest.raises(UserError, match=r"no server is installed: pip install \"openhorizon\[serve\]\""):
        serving.choose("auto")
