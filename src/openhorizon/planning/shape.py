"""A model's sizes, read off its Hugging Face config.json: what it holds, what a token touches, what a sequence keeps.

D hidden, V vocabulary, T tokens. Qwen3 and Qwen3.5, dense and mixture of experts: every count is tested against the models.
"""

from collections.abc import Mapping
from typing import Any

from openhorizon.config import ModelPlan
from openhorizon.errors import ConfigError
from openhorizon.records import Record

# Qwen/Qwen3.5-35B-A3B's config.json, the text model's part of it
QWEN3_5_35B_A3B: dict[str, Any] = {
    "model_type": "qwen3_5_moe_text", "vocab_size": 248_320, "hidden_size": 2048, "num_hidden_layers": 40,
    "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256, "full_attention_interval": 4,
    "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
    "linear_conv_kernel_dim": 4, "num_experts": 256, "num_experts_per_tok": 8, "moe_intermediate_size": 512,
    "shared_expert_intermediate_size": 512, "tie_word_embeddings": False, "max_position_embeddings": 262_144,
}  # fmt: skip
KNOWN = {"Qwen/Qwen3.5-35B-A3B": QWEN3_5_35B_A3B}
GATED = (
    "qwen3_5_text",
    "qwen3_5_moe_text",
)  # attention with an output gate, three of four layers a gated delta net
PLAIN = ("qwen3", "qwen3_moe")


class Shape(Record, kw_only=True):
    """What the arithmetic needs of a model."""

    name: str
    vocabulary: int
    hidden: int
    layers: int
    full_layers: int  # with attention over all of the past; the others are gated delta nets
    heads: int
    kv_heads: int
    head_width: int
    gate: bool  # attention's output gate: queries are twice as wide
    key_width: int = 0  # of a delta net, all heads
    value_width: int = 0
    value_heads: int = 0
    key_head: int = 0
    value_head: int = 0
    kernel: int = 0  # of its convolution
    experts: int = 0  # 0: dense
    active_experts: int = 0
    expert_width: int  # inner width of one expert, or of the dense layer
    shared_width: int = 0  # of the shared expert; 0: none
    tied: bool

    @property
    def linear_layers(self) -> int:
        return self.layers - self.full_layers

    @property
    def embedding(self) -> int:
        """Parameters of the table that turns ids into vectors."""
        return self.vocabulary * self.hidden

    @property
    def expert(self) -> int:
        """Parameters of one expert of one layer: gate, up and down."""
        return 3 * self.hidden * self.expert_width

    @property
    def attention(self) -> int:
        """Parameters of one full-attention layer's mixer."""
        d, width, kv = self.hidden, self.heads * self.head_width, self.kv_heads * self.head_width
        return d * width * (2 if self.gate else 1) + 2 * d * kv + width * d + 2 * self.head_width

    @property
    def delta(self) -> int:
        """Parameters of one gated delta net's mixer."""
        mixed, n = 2 * self.key_width + self.value_width, self.value_heads
        projections = self.hidden * (mixed + self.value_width + 2 * n) + self.value_width * self.hidden
        return projections + mixed * self.kernel + 2 * n + self.value_head

    @property
    def feed_forward(self) -> int:
        """Parameters of one layer's experts, router and shared expert, or of its dense part."""
        if not self.experts:
            return self.expert
        shared = 3 * self.hidden * self.shared_width + (self.hidden if self.shared_width else 0)
        return self.experts * self.expert + self.experts * self.hidden + shared

    @property
    def total(self) -> int:
        """All parameters."""
        mixers = self.full_layers * self.attention + self.linear_layers * self.delta
        norms = 2 * self.layers * self.hidden + self.hidden
        return mixers + self.layers * self.feed_forward + norms + self.embedding * (1 if self.tied else 2)

    @property
    def idle(self) -> int:
        """Parameters of the experts that a token does not choose."""
        return self.layers * (self.experts - self.active_experts) * self.expert

    @property
    def active(self) -> int:
        """Parameters that a token is multiplied with: the chosen experts, all else but the table of embeddings."""
        return self.total - self.idle - (0 if self.tied else self.embedding)

    @property
    def cache_per_token(self) -> int:
        """Bytes of keys and values that a sequence keeps for each token, bfloat16: full-attention layers alone."""
        return 2 * self.kv_heads * self.head_width * 2 * self.full_layers

    @property
    def state(self) -> int:
        """Bytes that a sequence keeps whatever its length: each delta net's matrix (float32) and its convolution's inputs."""
        convolution = (2 * self.key_width + self.value_width) * max(0, self.kernel - 1) * 2
        return self.linear_layers * (self.value_heads * self.key_head * self.value_head * 4 + convolution)

    def forward_flops(self, length: float) -> float:
        """Floating-point operations of one token's forward pass in a sequence of `length` tokens, on average over its tokens.

        2 per active parameter; 2·length·heads·width of each full-attention layer (half of the past on average, scores and
        values); 8 per entry of each delta net's state (decay, read, correction, write).
        """
        attention = 2 * length * self.heads * self.head_width * self.full_layers
        delta = 8 * self.value_heads * self.key_head * self.value_head * self.linear_layers
        return 2 * self.active + attention + delta

    def touched_experts(self, tokens: float) -> float:
        """Experts of a layer that at least one of so many tokens chooses, if choices are even: E·(1 − (1 − k/E)^tokens)."""
        if not self.experts:
            return 0.0
        return self.experts * (1 - (1 - self.active_experts / self.experts) ** tokens)


def shape_of(config: Mapping[str, Any], name: str = "") -> Shape:
    """The shape of a config.json; of a multimodal one, that of its text model. ConfigError: a family that is not known."""
    config = config.get("text_config") or config
    kind = str(config.get("model_type", ""))
    if kind not in (*GATED, *PLAIN):
        raise ConfigError(
            f"the config of {name or 'this model'} is of type {kind or '(none)'}; plans can be made of {', '.join((*PLAIN, *GATED))}"
        )
    try:
        layers, hidden = int(config["num_hidden_layers"]), int(config["hidden_size"])
        heads = int(config["num_attention_heads"])
        experts = int(
            config.get("num_experts") or config.get("num_local_experts") or 0
        )  # one and the other name
        kinds = config.get("layer_types")
        full = layers if kind in PLAIN else layers // int(config.get("full_attention_interval") or 4)
        if kinds:
            full = sum("full" in k or "sliding" in k for k in kinds)
        delta: dict[str, int] = {}
        if kind in GATED:
            key_head, value_head = int(config["linear_key_head_dim"]), int(config["linear_value_head_dim"])
            value_heads = int(config["linear_num_value_heads"])
            delta = {
                "key_head": key_head, "value_head": value_head, "value_heads": value_heads,
                "key_width": key_head * int(config["linear_num_key_heads"]), "value_width": value_head * value_heads,
                "kernel": int(config["linear_conv_kernel_dim"]),
            }  # fmt: skip
        return Shape(
            name=name or kind, vocabulary=int(config["vocab_size"]), hidden=hidden, layers=layers, full_layers=full,
            heads=heads, kv_heads=int(config["num_key_value_heads"]), gate=kind in GATED,
            head_width=int(config.get("head_dim") or hidden // heads), experts=experts,
            active_experts=int(config["num_experts_per_tok"]) if experts else 0,
            expert_width=int(config["moe_intermediate_size" if experts else "intermediate_size"]),
            shared_width=int(config.get("shared_expert_intermediate_size") or 0) if experts and kind in GATED else 0,
            tied=bool(config.get("tie_word_embeddings", False)), **delta,
        )  # fmt: skip
    except KeyError as error:
        raise ConfigError(f"the config of {name or kind} has no {error.args[0]}") from None


def shape_of_plan(plan: ModelPlan, vocabulary: int = 0) -> Shape:
    """The shape of the tiny model that a recipe makes; `vocabulary` is its tokenizer's (0: the most it may have)."""
    gated = plan.preset == "qwen3_5_moe"
    config: dict[str, Any] = {
        "model_type": "qwen3_5_moe_text" if gated else "qwen3_moe", "vocab_size": vocabulary or plan.vocabulary,
        "hidden_size": plan.width, "num_hidden_layers": plan.layers, "num_attention_heads": plan.heads,
        "num_key_value_heads": plan.kv_heads, "head_dim": plan.head_width, "num_experts": plan.experts,
        "num_experts_per_tok": plan.active_experts, "moe_intermediate_size": plan.expert_width, "tie_word_embeddings": True,
        "shared_expert_intermediate_size": plan.expert_width, "full_attention_interval": min(4, plan.layers),
        "linear_num_key_heads": plan.heads, "linear_num_value_heads": plan.heads, "linear_key_head_dim": plan.head_width,
        "linear_value_head_dim": plan.head_width, "linear_conv_kernel_dim": 4,
    }  # fmt: skip
    return shape_of(config, f"the recipe's own {plan.preset}")
