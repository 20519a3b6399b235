"""Messages to tokens, exactly once: a conversation's ids are only ever extended, never re-rendered.

The chat template belongs to the model; we render it with marks in place of the contents, so that the frame's
control tokens are control tokens and the contents never are, whatever a tool or a user wrote into them.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from openhorizon.chat.wire import write
from openhorizon.errors import ModelError
from openhorizon.records import Message, ToolSchema, as_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MARK = re.compile("\ue000(\\d+)\ue001")
_WRITTEN = "\ue002"  # stands for the assistant's turn in a frame


_HELD: dict[int, int] = {}  # an id -> the object that stands for it in this process


def held_once(ids: Sequence[int]) -> tuple[int, ...]:
    """The ids as a tuple of objects that the process holds once each: 8 bytes a token where new ones take 40. Only for ids of a
    vocabulary, as they are never let go of."""
    return tuple(map(_HELD.setdefault, ids, ids))


class Chat:
    """A model's tokenizer and template."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase"):
        if not tokenizer.chat_template:
            raise ModelError(
                f"the tokenizer at {tokenizer.name_or_path} has no chat template; use an instruct model's folder, or "
                "put a chat_template.jinja beside tokenizer.json"
            )
        if tokenizer.eos_token_id is None:
            raise ModelError(
                f"the tokenizer at {tokenizer.name_or_path} names no eos_token; set it in its config"
            )
        self.tokenizer = tokenizer
        self.eos: str = str(tokenizer.eos_token)
        self.eos_id: int = int(tokenizer.eos_token_id)  # type: ignore[arg-type]
        self.vocabulary = len(tokenizer)
        self._fast = _bare(tokenizer)
        added = tokenizer.added_tokens_decoder.values()
        controls = [str(t) for t in added if t.special or "<" in str(t) or str(t).startswith("[")]
        self._controls = _ahead(controls)
        self._specials = _ahead([str(t) for t in added if t.special])
        self._frames: dict[Any, tuple[list[int] | int, ...]] = {}
        self._appends: dict[bool, bool] = {}  # with thoughts or without -> what `appends_user` found
        opening = self._render([{"role": "user", "content": "x"}], None, True)
        self.opens_thought = opening.rstrip().endswith("<think>")  # the template itself begins the thinking
        self.tags = "<function=" in str(tokenizer.chat_template)  # calls are spelled as tags, not JSON

    @classmethod
    def load(cls, folder: str | Path) -> "Chat":
        """The chat of a model folder or hub name; ModelError says what the folder lacks."""
        from transformers import AutoTokenizer

        try:
            return cls(AutoTokenizer.from_pretrained(str(folder)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(
                f"{folder} holds no tokenizer that transformers can load ({str(error).splitlines()[0]}); a model folder needs "
                "tokenizer.json and tokenizer_config.json beside config.json"
            ) from error

    def prompt_ids(self, messages: Sequence[Message], tools: Sequence[ToolSchema] = ()) -> tuple[int, ...]:
        """Ids of the opening messages up to where the assistant begins to write."""
        key = ("prompt", tuple(m.role for m in messages), tuple(map(as_json, tools)))
        if key not in self._frames:
            marked = [{"role": m.role, "content": f"\ue000{i}\ue001"} for i, m in enumerate(messages)]
            self._frames[key] = self._frame(
                self._render(marked, [self._tool(t) for t in tools] or None, True)
            )
        return self._filled(self._frames[key], [m.content for m in messages])

    def extension_ids(self, results: tuple[str, ...], reply: str | None = None) -> tuple[int, ...]:
        """Ids between the end of one assistant turn (its end token excluded) and the start of the next.

        `results` are tool returns, `reply` a user's message; at least one of them is there.
        """
        key = ("extension", len(results), reply is not None)
        if key not in self._frames:
            marked = [{"role": "user", "content": "x"}, {"role": "assistant", "content": _WRITTEN}]
            marked += [{"role": "tool", "content": f"\ue000{i}\ue001"} for i in range(len(results))]
            if reply is not None:
                marked.append({"role": "user", "content": f"\ue000{len(results)}\ue001"})
            # what the template makes of the turns before is not asked: those stay as they were written
            _, written, text = self._render(marked, None, True).partition(_WRITTEN)
            if not written:
                raise ModelError(
                    "the chat template leaves out what the assistant said; a conversation cannot be extended"
                )
            ended, eos, rest = text.partition(self.eos)
            self._frames[key] = self._frame(rest if eos and not _MARK.search(ended) else text)
        return self._filled(self._frames[key], [*results, *([reply] if reply is not None else [])])

    def appends_user(self, thoughts: bool) -> bool:
        """Whether the template leaves the turns before a new user's message as they were; `thoughts`: whether they hold
        any (most templates keep thoughts only behind the last user's message)."""
        if thoughts in self._appends:
            return self._appends[thoughts]
        turn = {"role": "assistant", "content": "C"} | ({"reasoning_content": "T"} if thoughts else {})
        before = [{"role": "user", "content": "x"}, turn, {"role": "tool", "content": "y"}]
        after = [*before, {"role": "user", "content": "z"}]
        self._appends[thoughts] = self._render(after, None, True).startswith(
            self._render(before, None, False)
        )
        return self._appends[thoughts]

    def conversation_ids(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema] = ()
    ) -> tuple[int, ...]:
        """Ids of a whole conversation, rendered anew, up to where the assistant begins to write: the context of a segment
        that cannot extend the one before."""
        contents = [
            write(structs.replace(m, thought=""), tags=self.tags) if m.role == "assistant" else m.content
            for m in messages
        ]
        spoken = [i for i, m in enumerate(messages) if m.role == "assistant"]
        marked: list[dict[str, Any]] = [
            {"role": m.role, "content": f"\ue000{i}\ue001"} for i, m in enumerate(messages)
        ]
        for i in tuple(spoken):
            if messages[i].thought:
                marked[i]["reasoning_content"] = f"\ue000{len(contents)}\ue001"
                spoken.append(len(contents))
                contents.append(messages[i].thought)
        frame = self._frame(self._render(marked, [self._tool(t) for t in tools] or None, True))
        return self._filled(frame, contents, frozenset(spoken))

    def message_ids(self, message: Message) -> tuple[int, ...]:
        """Ids of an assistant message that a script or a message engine wrote, end token included."""
        text = write(message, tags=self.tags)
        if self.opens_thought:
            text = text.removeprefix("<think>\n") if message.thought else f"\n</think>\n\n{text}"
        return (*self._spoken(text), self.eos_id)

    def text(self, ids: Sequence[int]) -> str:
        """What the policy wrote, without the end token, with thinking marks."""
        kept = [i for i in ids if i != self.eos_id]
        if self._fast is not None:
            text = str(self._fast.decode(kept, skip_special_tokens=False))
        else:
            text = str(
                self.tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)
            )
        return f"<think>\n{text}" if self.opens_thought else text

    def _render(self, messages: list[dict[str, Any]], tools: list[Any] | None, generate: bool) -> str:
        return str(
            self.tokenizer.apply_chat_template(
                messages, tools=tools, add_generation_prompt=generate, tokenize=False
            )
        )

    def _tool(self, schema: ToolSchema) -> dict[str, Any]:
        function = {"name": schema.name, "description": schema.description, "parameters": schema.parameters}
        return {"type": "function", "function": function}

    def _frame(self, text: str) -> tuple[list[int] | int, ...]:
        """Runs of ids, with the contents' numbers between them."""
        pieces: list[list[int] | int] = []
        for i, piece in enumerate(_MARK.split(text)):
            pieces.append(int(piece) if i % 2 else self._encode(piece, True))
        return tuple(pieces)

    def _filled(
        self, frame: tuple[list[int] | int, ...], contents: list[str], spoken: frozenset[int] = frozenset()
    ) -> tuple[int, ...]:
        """The frame with the contents in place; marks of thoughts and calls are read in those that the policy has `spoken`."""
        ids: list[int] = []
        for piece in frame:
            if isinstance(piece, list):
                ids += piece
            else:
                ids += (
                    self._spoken(contents[piece]) if piece in spoken else self._encode(contents[piece], False)
                )
        return held_once(ids)

    def _spoken(self, text: str) -> list[int]:
        """Ids of what an assistant said: marks of thoughts and calls are tokens, a turn's or a text's end is not."""
        return self._encode(text, False, self._specials)

    def _encode(self, text: str, control: bool, plain: re.Pattern[str] | None = None) -> list[int]:
        """Ids of the text; where `control` is False, what looks like a control token (of `plain`, if given) is spelled as
        plain text."""
        if control:
            if self._fast is not None and text:
                return self._fast.encode(text, add_special_tokens=False).ids
            return self.tokenizer.encode(text, add_special_tokens=False) if text else []
        ids: list[int] = []
        start = 0
        for match in (plain or self._controls).finditer(
            text
        ):  # cut after the first character: the rest is no token's name
            ids += self._encode(text[start : match.start() + 1], True)
            start = match.start() + 1
        return ids + self._encode(text[start:], True)


def _ahead(tokens: Sequence[str]) -> re.Pattern[str]:
    """Finds where a token begins; looked ahead, so that one inside another is found too."""
    return re.compile(f"(?={'|'.join(map(re.escape, tokens)) or '(?!)'})")


_PROBE = (
    "<|im_start|>user\nÉa  x, 'll <tool_call> 12 \u6f22\U0001f600 .<|im_end|></s>[INST] \n\n<|endoftext|> x"
)


def _bare(tokenizer: "PreTrainedTokenizerBase") -> Any:
    """The Rust tokenizer itself, where it does what transformers' does around it, which costs more than many a short text; else None."""
    bare: Any = getattr(tokenizer, "backend_tokenizer", None)
    if bare is None:
        return None
    ids = tokenizer.encode(_PROBE, add_special_tokens=False)  # also turns truncation and padding off
    text = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    alike = bare.encode(_PROBE, add_special_tokens=False).ids == ids
    return bare if alike and bare.decode(ids, skip_special_tokens=False) == text else None
