"""A fuzzer of the tool-call reader: mutated real calls, broken markup, random bytes. It may never raise, and what it reads can be written
and read again.

    python tests/fuzz_wire.py 1000000
"""

import random
import sys
import time

from openhorizon.chat.wire import read, write
from openhorizon.records import Message, ToolCall, ToolSchema

PIECES = (
    "<tool_call>", "</tool_call>", "<function=f>", "</function>", "<parameter=a>", "</parameter>", "\n</parameter>\n</function>\n</tool_call>", "<think>", "</think>", "{", "}", "[", "]",
    '"name"', '"arguments"', ":", ",", "\\u", "\\ud800", "\ud800", "null", "true", "NaN", "-1e999", "1" * 400, "\n", '"', "\\", "<|im_end|>", "é", "\x00",
)  # fmt: skip

KINDS = {"a": {"type": "string"}, "b": {"type": "integer"}, "c": "no schema"}
TOOLS = (
    ToolSchema(name="f", description="", parameters={"properties": KINDS}),
    ToolSchema(name="g h", description="", parameters={}),
)


def sample(rng: random.Random) -> str:
    """One input."""
    kind = rng.randrange(4)
    if kind == 0:
        return "".join(rng.choices(PIECES, k=rng.randrange(1, 40)))
    if kind == 1:
        return rng.randbytes(rng.randrange(200)).decode(
            "utf-8", "surrogateescape" if rng.random() < 0.5 else "replace"
        )
    arguments = {
        rng.choice("abc"): rng.choice((1, 2.5, None, "x</tool_call>", ["y"], {"z": "<|"}, "\u2028"))
        for _ in range(rng.randrange(4))
    }
    calls = tuple(
        ToolCall(name=rng.choice(("f", "g h", "")), arguments=arguments) for _ in range(rng.randrange(1, 4))
    )
    text = list(
        write(
            Message(role="assistant", content="say", thought="hm" * rng.randrange(2), calls=calls),
            tags=rng.random() < 0.5,
        )
    )
    for _ in range(rng.randrange(6)):  # cut, double, drop, insert
        at = rng.randrange(len(text) + 1)
        text[at : at + rng.randrange(8)] = rng.choice(((), text[at : at + 5] * 2, list(rng.choice(PIECES))))
    return "".join(text)


def main(count: int, seed: int = 0) -> None:
    rng, began, calls, wrong = random.Random(seed), time.perf_counter(), 0, 0
    for number in range(count):
        text = sample(rng)
        try:
            message = read(text, TOOLS * (number % 2))
            again = read(write(message))
        except Exception:
            print(f"input {number} of seed {seed}: {text!r}")
            raise
        if "<" not in message.content + message.thought:  # what looks like a mark there is read as one
            assert again.calls == message.calls, text
        calls += len(message.calls)
        wrong += bool(message.malformed)
    print(
        f"{count:,} inputs in {time.perf_counter() - began:.0f} s, {calls:,} calls read, {wrong:,} malformed, none raised"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
