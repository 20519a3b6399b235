"""The run's own tokenizer, for models trained from scratch: one token a word, one a digit (with the sign before it), bytes for the rest.

A tiny model has no capacity to spell. Its vocabulary is the words that the run's own text uses most, found by
counting; any other text still round-trips, byte by byte. The JSON around tool calls is a handful of tokens.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from openhorizon.chat.template import QWEN_TEMPLATE

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
# one token each, wherever they stand: the frames of turns and the scaffolding of calls in the Qwen format. None but
# the first begins with a control token, so that a rendered conversation and an extended one have the same ids.
FRAMES = (
    "<|im_start|>system\n", "\n<|im_start|>user\n", "\n<|im_start|>assistant\n", "\n<tool_response>\n",
    "\n<|im_start|>user\n<tool_response>\n", "\n</tool_response>", "\n\n# Tools\n<tools>", "\n</tools>",
)  # fmt: skip
SCAFFOLD = (
    '<tool_call>\n{"name": "', '\n{"name": "', '", "arguments": "', '", "arguments": {"', '", "arguments": {}}\n</tool_call>',
    '": "', '": ', '", "', ', "', '"}}\n</tool_call>', '}}\n</tool_call>', '"}',
)  # fmt: skip
PATTERN = r"[^\r\n\p{L}\p{N}]?\p{L}+|[^\r\n\p{L}\p{N}]?\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"


def train_tokenizer(texts: Iterable[str], vocabulary: int, folder: Path) -> int:
    """Count the words of `texts` and write an ordinary Hugging Face tokenizer folder; returns its size.

    `vocabulary` bounds the number of tokens; the bytes and control tokens are always there.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    split = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    counted = _count(texts, split, byte_level)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    room = vocabulary - len(alphabet) - len(SPECIAL) - len(MARKS) - len(FRAMES) - len(SCAFFOLD)
    words = [
        w for w, n in sorted(counted.items(), key=lambda item: (-item[1], item[0])) if len(w) > 1 and n > 1
    ]
    words = words[: max(0, room)]
    tokens = {token: i for i, token in enumerate([*alphabet, *words])}
    # ignore_merges: a whole word of the vocabulary is one token, any other text falls apart into its bytes
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.add_tokens(
        [AddedToken(m, normalized=False, special=False) for m in (*MARKS, *FRAMES, *SCAFFOLD)]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=QWEN_TEMPLATE,
    )
    folder.mkdir(parents=True, exist_ok=True)
    wrapped.save_pretrained(str(folder))
    return len(wrapped)


def _count(texts: Iterable[str], split, byte_level) -> Counter[str]:
    counted: Counter[str] = Counter()
    marks = sorted((*SPECIAL, *MARKS, *FRAMES, *SCAFFOLD), key=len, reverse=True)
    for text in texts:
        for mark in marks:
            text = text.replace(mark, "\n")
        for piece, _ in split.pre_tokenize_str(text):
            counted[byte_level.pre_tokenize_str(piece)[0][0]] += 1
    return counted
