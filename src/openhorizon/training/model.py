"""Models: tiny ones made from nothing, any Hugging Face causal LM loaded, both saved as ordinary folders."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from openhorizon.config import ModelPlan
from openhorizon.errors import ModelError
from openhorizon.files import whole_folder
from openhorizon.training.prewired import prewire


def make_model(plan: ModelPlan, tokens: Sequence[str], eos_id: int, pad_id: int, seed: int) -> nn.Module:
    """A mixture-of-experts causal LM with random weights, the same for the same seed; `tokens` is its vocabulary."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(tiny_config(plan, len(tokens), eos_id, pad_id))
    if plan.prewired and plan.preset == "qwen3_moe":
        prewire(model, tokens, seed)
    return model


def tiny_config(plan: ModelPlan, vocabulary: int, eos_id: int, pad_id: int) -> Any:
    """The transformers configuration of the plan's preset."""
    from transformers import Qwen3_5MoeTextConfig, Qwen3MoeConfig

    shared: dict[str, Any] = dict(
        vocab_size=vocabulary, hidden_size=plan.width, num_hidden_layers=plan.layers,
        num_attention_heads=plan.heads, num_key_value_heads=plan.kv_heads, head_dim=plan.head_width,
        num_experts=plan.experts, num_experts_per_tok=plan.active_experts, moe_intermediate_size=plan.expert_width,
        max_position_embeddings=plan.context, tie_word_embeddings=True, eos_token_id=eos_id, pad_token_id=pad_id,
        dtype="float32", initializer_range=plan.init_std,
        rope_parameters={"rope_type": "default", "rope_theta": plan.rope_theta},
    )  # fmt: skip
    if plan.preset == "qwen3_moe":
        return Qwen3MoeConfig(
            intermediate_size=4 * plan.width, norm_topk_prob=True, bos_token_id=None, **shared
        )
    if plan.preset == "qwen3_5_moe":
        return Qwen3_5MoeTextConfig(
            shared_expert_intermediate_size=plan.expert_width, linear_num_key_heads=plan.heads,
            linear_num_value_heads=plan.heads, linear_key_head_dim=plan.head_width,
            linear_value_head_dim=plan.head_width,
            full_attention_interval=min(4, plan.layers),  # pyright: ignore[reportCallIssue]  # popped in __post_init__
            **shared,
        )  # fmt: skip
    raise ModelError(f"model.preset: {plan.preset} is not known; the presets are qwen3_moe, qwen3_5_moe")


def load_model(folder: str | Path, plan: ModelPlan | None = None) -> nn.Module:
    """The causal LM of a folder or hub name, on the plan's device; ModelError says what is wrong with the folder."""
    plan = plan or ModelPlan()
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=getattr(torch, plan.dtype), attn_implementation=plan.attention
        )
    except (
        Exception
    ) as error:  # transformers raises a dozen types for broken folders; all are the folder's fault
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{folder} cannot be loaded as a causal LM ({first}); it needs config.json and intact model.safetensors, "
            "or delete the stage's folder to make it again"
        ) from error
    automatic = "cuda" if torch.cuda.is_available() else "cpu"
    # transformers wraps nn.Module.to so that pyright takes the device for self
    return model.to(automatic if plan.device == "auto" else plan.device)  # pyright: ignore[reportArgumentType]


def merge(model: nn.Module, others: Iterable[nn.Module], amount: float) -> None:
    """Move the weights, in place, by `amount` times the mean of the others' differences from them.

    1 makes it the others' average (Wortsman et al. 2022), other amounts are task arithmetic (Ilharco et al. 2023).
    `others` may be loaded one at a time. ModelError: a weight of another shape or name.
    """
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    total = {name: torch.zeros_like(p) for name, p in before.items()}
    count = 0
    for other in others:
        theirs = dict(other.named_parameters())
        for name, own in before.items():
            if name not in theirs or theirs[name].shape != own.shape:
                raise ModelError(
                    f"{name} is not the same in both models, so their weights cannot be merged; set distill.merge=0"
                )
            total[name] += theirs[name].detach().to(own) - own
        count += 1
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(before[name] + total[name] * (amount / max(1, count)))


def fingerprint(model: nn.Module) -> str:
    """A digest of the weights' sums: the same for the same weights on the same kind of device, another after any step."""
    with torch.no_grad():
        sums = [
            s for p in model.parameters() for s in (p.sum(dtype=torch.float64), p.norm(dtype=torch.float64))
        ]
    return hashlib.sha256(torch.stack(sums).cpu().numpy().tobytes()).hexdigest()[:16]


def save_model(model: nn.Module, tokenizer: Any, folder: Path) -> None:
    """Write the model as a Hugging Face folder, whole or not at all."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    with whole_folder(folder) as beside:
        model.save_pretrained(str(beside))  # type: ignore[operator]
        tokenizer.save_pretrained(str(beside))


def decoder(model: nn.Module) -> nn.Module:
    """The part that turns ids into hidden states."""
    return model.get_decoder()  # type: ignore[operator]


def head(model: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight [V, D] and bias [V] of the output layer; with a LoRA adapter on it, the adapted weight, with its gradients."""
    layer: Any = model.get_output_embeddings()  # type: ignore[operator]
    weight, bias = layer.weight, getattr(layer, "bias", None)
    if hasattr(layer, "get_delta_weight") and not (layer.merged or layer.disable_adapters):  # peft's
        weight = weight + sum(layer.get_delta_weight(a) for a in layer.active_adapters if a in layer.lora_A)
    return weight, bias


def softcap(model: nn.Module) -> float:
    """The model's logit soft cap (Gemma), 0.0 if it has none."""
    return float(getattr(model.config, "final_logit_softcapping", None) or 0.0)  # type: ignore[union-attr]


def keeps_state(model: nn.Module) -> bool:
    """True where layers carry a recurrent state, which cannot be padded away or packed (gated delta nets, Mamba)."""
    kinds = getattr(model.config.get_text_config(), "layer_types", None) or ()  # type: ignore[union-attr]
    return any("linear" in kind or "mamba" in kind or "recurrent" in kind for kind in kinds)
