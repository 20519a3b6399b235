"""A tiny model that is born able to copy: previous-token heads and one induction head set by hand, the rest random.

Every pretrained base model brings induction heads; a random one spends millions of tokens growing them before it
can learn anything else (docs/log.md has the curves with and without). So the run's own base model starts with the
known circuit: layer 0 brings each position the tokens one and two before it, layer 1 looks for the place where the
last two tokens stood before and copies what followed. Training is free to change every weight.

The residual stream, D = 128 here: E the first half (the token), then F and G, a quarter each (a sketch of the token
one and two before), and its last entry, a constant that gives heads something to attend by position with.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

SHARP = 2.5  # weight of the query and key norms: the largest attention logit is SHARP² · √head_dim
COPY = 2.0  # how loudly the copied token speaks against the current one
SCALE = 0.5  # of the residual stream: an optimiser's step is small against the circuit
LOUD = 0.05  # of the output: the logits of a copied token stand about 4 above the others
ALIKE = 0.8  # cosine of a word's forms with its stem, at birth
SECOND = 0.7  # weight of the older of the two matched tokens


@torch.no_grad()
def prewire(model: Any, tokens: Sequence[str], seed: int) -> None:
    """Set the circuit into a random Qwen3-like model, in place. Needs two layers, head_dim ≥ half the width, and as
    many key-value heads as heads. `tokens[i]` is the text of token i: " two" and "=two" begin life close to "two".
    """
    config = model.config
    width, head = config.hidden_size, config.head_dim
    half, quarter = width // 2, width // 4
    generator = torch.Generator().manual_seed(seed)

    def sketch(rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns, generator=generator) / rows**0.5

    embedding = model.get_input_embeddings().weight
    embedding[:] = 0
    embedding[:, :half] = SCALE * _alike(tokens, half, generator)
    embedding[:, -1] = SCALE
    model.get_decoder().norm.weight.fill_(LOUD / SCALE)
    layers = model.get_decoder().layers
    for layer in layers:  # silent at first: nothing but the circuit writes to the stream
        layer.self_attn.o_proj.weight.zero_()
        down = getattr(layer.mlp, "experts", layer.mlp).down_proj
        (down.weight if isinstance(down, nn.Linear) else down).zero_()

    token = sketch(quarter, half)
    theta = float(config.rope_parameters["rope_theta"])
    pairs = head // 2
    frequency = theta ** (-torch.arange(pairs) / pairs)
    for n, place in enumerate((slice(half, half + quarter), slice(half + quarter, width - 1))):
        _look_back(layers[0].self_attn, n, head, n + 1, frequency)
        rows = place.stop - place.start
        layers[0].self_attn.v_proj.weight[n * head : (n + 1) * head] = 0
        layers[0].self_attn.v_proj.weight[n * head : n * head + half, :half] = torch.eye(half)
        layers[0].self_attn.o_proj.weight[place, n * head : n * head + half] = SCALE * token[:rows]
    _match(layers[1].self_attn, head, half, quarter, token, frequency, sketch)
    layers[1].self_attn.v_proj.weight[:head] = 0
    layers[1].self_attn.v_proj.weight[:half, :half] = torch.eye(half)
    layers[1].self_attn.o_proj.weight[:half, :half] = COPY * SCALE * torch.eye(half)
    for layer in layers[:2]:
        layer.self_attn.q_norm.weight.fill_(SHARP)
        layer.self_attn.k_norm.weight.fill_(SHARP)


def _alike(tokens: Sequence[str], columns: int, generator: torch.Generator) -> Tensor:
    """Random embeddings [V, columns]; the forms of a word lie close together, so that a copy may change its form."""
    stems: dict[str, Tensor] = {}
    rows = []
    for text in tokens:
        stem = text[1:] if len(text) > 1 and not text[0].isalnum() and text[1:].isalnum() else text
        if stem not in stems:
            stems[stem] = torch.randn(columns, generator=generator)
        rows.append(ALIKE * stems[stem] + (1 - ALIKE**2) ** 0.5 * torch.randn(columns, generator=generator))
    return torch.stack(rows)


def _look_back(attention: Any, n: int, head: int, distance: int, frequency: Tensor) -> None:
    """Head n attends to the position `distance` before: constant query and key, apart by that rotation, on the pairs
    that turn fast enough to tell neighbours apart."""
    pairs = len(frequency)
    fast = (frequency > 0.15).float()
    query = torch.cat([fast, torch.zeros(pairs)])
    key = torch.cat([fast * torch.cos(frequency * distance), fast * torch.sin(frequency * distance)])
    for projection, vector in ((attention.q_proj, query), (attention.k_proj, key)):
        projection.weight[n * head : (n + 1) * head] = 0
        projection.weight[n * head : (n + 1) * head, -1] = vector


def _match(
    attention: Any, head: int, half: int, quarter: int, token: Tensor, frequency: Tensor, sketch
) -> None:
    """Head 0 attends to where the last two tokens stood before, on the pairs that hardly turn over a context."""
    pairs = len(frequency)
    slow = [i for i in range(pairs) if frequency[i] < 5e-3]
    dims = torch.tensor([*slow, *(i + pairs for i in slow)])
    mix = sketch(len(dims), 2 * quarter)
    newer, older = mix[:, :quarter], SECOND * mix[:, quarter : 2 * quarter - 1]
    query, key = attention.q_proj.weight, attention.k_proj.weight
    query[:head] = 0
    key[:head] = 0
    query[dims, :half] = newer @ token
    query[dims, half : half + quarter - 1] = older
    key[dims, half : half + quarter] = newer
    key[dims, half + quarter : -1] = older
