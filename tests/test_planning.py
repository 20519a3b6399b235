"""The plan of a run: counts that the models confirm, laws of the arithmetic, and a page that says what the command says."""

from pathlib import Path

import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

from openhorizon.cli import app
from openhorizon.config import GrpoStage, Recipe
from openhorizon.errors import ConfigError
from openhorizon.planning import GPUS, KNOWN, Assumptions, Shape, Table, plan, shape_of, shape_of_plan
from openhorizon.planning.hardware import serving, training_fit, training_memory
from openhorizon.planning.table import text
from openhorizon.recipes import RECIPES

NAME = "Qwen/Qwen3.5-35B-A3B"
BIG = shape_of(KNOWN[NAME], NAME)
PAGE = Path(__file__).parents[1] / "docs" / "scale.md"


def tables(
    recipe: Recipe, gpus: int = 64, gpu: str = "h100", shape: Shape = BIG, **assumed: float
) -> dict[str, Table]:
    found = plan(recipe, shape, GPUS[gpu], gpus, Assumptions(**assumed))
    return dict(zip(("model", "memory", "serving", "alignment", "hours"), found, strict=True))


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"preset": "qwen3_5_moe", "layers": 4}, {"preset": "qwen3_5_moe", "layers": 9, "heads": 4},
        {"width": 48, "kv_heads": 1, "experts": 6, "active_experts": 3, "expert_width": 24, "layers": 3},
    ],
)  # fmt: skip
def test_the_parameters_of_a_made_model_are_counted_one_by_one(changes: dict[str, object]):
    model = tiny.model(**changes)  # type: ignore[arg-type]
    shape = shape_of_plan(replace(tiny.PLAN, **changes), model.config.vocab_size)  # type: ignore[union-attr, arg-type]
    assert shape.total == sum(p.numel() for p in model.parameters())
    assert shape == replace(shape_of(model.config.to_dict()), name=shape.name)  # type: ignore[union-attr, operator]


def test_the_large_model_is_counted_as_transformers_builds_it_and_as_its_name_says():
    from transformers import AutoModelForCausalLM, Qwen3_5MoeTextConfig

    config = {k: v for k, v in KNOWN[NAME].items() if k != "model_type"}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(Qwen3_5MoeTextConfig(**config))
    assert BIG.total == sum(p.numel() for p in model.parameters())
    assert round(BIG.total / 1e9) == 35
    assert round(BIG.active / 1e9) == 3
    chosen = sum(p.numel() * 8 // 256 for n, p in model.named_parameters() if ".experts." in n)
    others = sum(
        p.numel() for n, p in model.named_parameters() if ".experts." not in n and "embed_tokens" not in n
    )
    assert BIG.active == chosen + others


def test_a_dense_model_is_counted_too():
    from transformers import AutoModelForCausalLM, Qwen3Config

    config = Qwen3Config(
        vocab_size=99, hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, tie_word_embeddings=False,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config)
    assert shape_of(config.to_dict()).total == sum(p.numel() for p in model.parameters())


def test_the_cache_of_a_made_model_is_as_many_bytes_as_the_arithmetic_says():
    model = tiny.model(preset="qwen3_5_moe", layers=4).to(torch.bfloat16)
    shape = shape_of(model.config.to_dict())  # type: ignore[union-attr, operator]
    sizes = {}
    for length in (16, 48):
        with torch.no_grad():
            cache = model(input_ids=torch.ones(1, length, dtype=torch.long), use_cache=True).past_key_values
        sizes[length] = sum(
            t.numel() * t.element_size()
            for layer in cache.layers
            for t in (getattr(layer, "keys", None), getattr(layer, "values", None))
            if t is not None
        )
        states = [
            layer.recurrent_states
            for layer in cache.layers
            if getattr(layer, "recurrent_states", None) is not None
        ]
    assert sizes[48] - sizes[16] == 32 * shape.cache_per_token
    matrices = shape.linear_layers * shape.value_heads * shape.key_head * shape.value_head
    assert (
        sum(t.numel() for one in states for t in (one.values() if isinstance(one, dict) else [one]))
        == matrices
    )
    assert shape.state > 4 * matrices


def test_an_unknown_family_is_refused_by_name():
    with pytest.raises(ConfigError, match="of type mamba; plans can be made of qwen3"):
        shape_of({"model_type": "mamba"}, "x")
    with pytest.raises(ConfigError, match="has no vocab_size"):
        shape_of({k: v for k, v in KNOWN[NAME].items() if k != "vocab_size"}, "x")


def test_the_published_sizes_of_a_sequence_hold():
    """10 layers of 2 heads of 256, keys and values, 2 bytes: 20,480 a token; 30 states of 32 x 128 x 128 in float32."""
    assert BIG.cache_per_token == 20_480
    assert BIG.state == 30 * (32 * 128 * 128 * 4 + 8192 * 3 * 2)
    assert BIG.touched_experts(1) == pytest.approx(8)
    assert BIG.touched_experts(10_000) == pytest.approx(256)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([8, 16, 64, 256]), st.sampled_from([4096, 32_768, 131_072]), st.sampled_from([1, 2, 8])
)
def test_memory_falls_with_gpus_and_with_sharing_a_sequence_and_muon_takes_less(
    gpus: int, length: int, context: int
):
    here = training_memory(BIG, gpus, length, context, muon=False)
    assert training_memory(BIG, 2 * gpus, length, context, muon=False).total < here.total
    assert training_memory(BIG, gpus, length, 2 * context, muon=False).total < here.total
    assert training_memory(BIG, gpus, 2 * length, context, muon=False).total > here.total
    assert training_memory(BIG, gpus, length, context, muon=True).total < here.total
    states = (here.master + here.gradient + here.optimiser) * gpus
    assert states == pytest.approx(16 * BIG.total)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(GPUS)), st.integers(1000, 200_000))
def test_servers_hold_their_weights_and_longer_attempts_are_written_more_slowly(gpu: str, length: int):
    one, longer = (serving(BIG, GPUS[gpu], n, Assumptions()) for n in (length, 2 * length))
    assert one.weights + one.sequences * one.sequence <= GPUS[gpu].memory * one.gpus
    assert longer.written < one.written
    assert longer.read < one.read
    moved = (
        one.written * GPUS[gpu].bandwidth ** -1
    )  # never more than the bandwidth allows: a state a token, twice
    assert moved * 2 * BIG.state <= one.gpus


def test_the_fit_is_the_first_that_fits():
    fit = training_fit(BIG, GPUS["h100"], 64, 131_072, False, Assumptions())
    assert fit.total <= 0.85 * 80e9
    assert training_memory(BIG, 64, 131_072, fit.context // 2, False).total > 0.85 * 80e9
    assert training_fit(BIG, GPUS["h200"], 64, 131_072, False, Assumptions()).context == 1


def test_hours_follow_the_work_the_gpus_and_the_assumptions():
    paper = RECIPES["paper"]()
    hours = tables(paper)["hours"]
    by_hand = (
        3
        * 4.5e9
        * (2 * BIG.active + 2 * 45_000 * 4096 * 10 + 8 * 32 * 128 * 128 * 30)
        / (0.2 * 989e12 * 64)
        / 3600
    )
    assert hours.line("SFT").value == pytest.approx(by_hand)
    assert tables(paper, 128)["hours"].line("SFT").value == pytest.approx(by_hand / 2)
    assert tables(paper, mfu=0.4)["hours"].line("SFT").value == pytest.approx(by_hand / 2)
    stages = [one.value for one in hours.lines[:-2]]
    assert hours.line("together").value == pytest.approx(sum(stages))
    assert len(stages) == 1 + sum(len(t.stages) for t in paper.teachers.values()) + 2
    assert all(s > 0 for s in stages)


def test_playing_beside_learning_takes_no_longer_than_the_longer_of_both():
    paper = RECIPES["paper"]()
    search = paper.teachers["search"].stages
    assert isinstance(search[1], GrpoStage)
    overlapped = replace(
        paper,
        teachers=paper.teachers
        | {"search": replace(paper.teachers["search"], stages=(search[0], replace(search[1], staleness=1)))},
    )
    name = "teacher search, 1: GRPO"
    before, after = (tables(r)["hours"].line(name).value for r in (paper, overlapped))
    assert before / 2 < after < before


@pytest.mark.parametrize("recipe", sorted(RECIPES))
@pytest.mark.parametrize("gpu", sorted(GPUS))
def test_every_recipe_can_be_planned_on_every_gpu(recipe: str, gpu: str):
    done = CliRunner().invoke(app, ["plan", recipe, "--gpus", "8", "--gpu", gpu])
    assert done.exit_code == 0, done.output
    assert "nan" not in done.output.lower()
    assert "inf " not in done.output


def test_the_command_says_what_is_wrong_with_its_input(tmp_path: Path):
    def said(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["plan", "paper", *arguments])
        assert done.exit_code == 2
        return done.output + done.stderr

    assert "there is no GPU a100; there are h100" in said("--gpu", "a100")
    assert "there is no assumption speed" in said("--assume", "speed=1")
    assert "--assume" in said("--assume", "mfu=2")
    assert "download the model's config.json" in said("--set", "model.base=Other/Model")
    (tmp_path / "config.json").write_text("{")
    assert "is no config.json" in said("--config", str(tmp_path / "config.json"))


def test_the_page_holds_what_the_command_prints():
    held = PAGE.read_text("utf-8").split("<!-- plan -->\n")[1]
    assumed = Assumptions()
    assert held == text(plan(RECIPES["paper"](), BIG, GPUS["h100"], 64, assumed), assumed), (
        "docs/scale.md is not what `openhorizon plan paper --gpus 64 --gpu h100` prints; put its output between the marks"
    )
