"""Messages to tokens and back: exact where we write, forgiving where a model wrote, deaf to forged control tokens."""

import json
import shutil
from pathlib import Path

import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from openhorizon.chat.chat import Chat
from openhorizon.chat.tiny import FRAMES, MARKS, SPECIAL
from openhorizon.chat.wire import read, write
from openhorizon.errors import ModelError
from openhorizon.records import Message, ToolCall, ToolSchema

quick = settings(max_examples=150, deadline=None)
plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<>"), max_size=30).map(str.strip)
leaf = plain | st.integers(-(10**9), 10**9) | st.booleans() | st.none()
values = leaf | st.lists(leaf, max_size=3) | st.dictionaries(plain, leaf, max_size=2)
names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
# a tagged string that looks like JSON is taken for JSON: that spelling has no quotes
words = st.from_regex(r"[A-Za-z][A-Za-z ]{0,10}[a-z]", fullmatch=True).filter(
    lambda w: w not in ("true", "false")
)
tagged = words | st.integers(-(10**6), 10**6) | st.booleans() | st.lists(st.integers(), max_size=3)
PIECES = (
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<function=", "</function>", "<parameter=x>", "</parameter>",
    '{"name": ', '"find"', '"arguments": ', "{", "}", "[" * 50, '"', "\n", "find", ">", "1e999", "NaN", "<|im_end|>",
)  # fmt: skip


def messages(arguments: st.SearchStrategy) -> st.SearchStrategy[Message]:
    calls = st.builds(ToolCall, name=names, arguments=st.dictionaries(names, arguments, max_size=3))
    return st.builds(
        Message,
        role=st.just("assistant"),
        content=plain,
        thought=plain,
        calls=st.lists(calls, max_size=3).map(tuple),
    )


def opening() -> list[Message]:
    return [Message(role="system", content="Answer."), Message(role="user", content="find Amber Bay")]


@quick
@given(messages(values))
def test_reading_a_written_message_gives_the_message_back(message: Message):
    assert read(write(message)) == message


@quick
@given(messages(tagged))
def test_reading_a_message_with_tagged_calls_gives_the_message_back(message: Message):
    assert read(write(message, tags=True)) == message


@quick
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map("".join))
def test_the_reader_never_raises_whatever_a_model_writes(text: str):
    message = read(text)
    assert message.role == "assistant"


def test_deeply_nested_json_is_malformed_and_not_a_crash():
    assert "not valid JSON" in read("<tool_call>" + "[" * 100_000 + "</tool_call>").malformed


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"name": "find", ', "not valid JSON"),
        ('["find"]', '{"name": ..., "arguments": {...}}'),
        ('{"name": 3, "arguments": {}}', '{"name": ..., "arguments": {...}}'),
        ('{"name": "find", "arguments": "Amber"}', "arguments of a tool call are a JSON object"),
    ],
)
def test_a_malformed_call_says_what_is_wrong_with_it(body: str, why: str):
    message = read(f"look<tool_call>\n{body}\n</tool_call>")
    assert why in message.malformed
    assert message.content == "look"
    assert message.calls == ()


def test_a_good_call_beside_a_malformed_one_is_kept():
    good = ToolCall(name="find", arguments={"town": "Amber"})
    message = read(write(Message(role="assistant", calls=(good,))) + "<tool_call>\n{\n</tool_call>")
    assert message.calls == (good,)
    assert message.malformed


def test_a_call_cut_off_by_the_budget_is_still_read():
    assert read('<tool_call>\n{"name": "find", "arguments": {}}').calls[0].name == "find"


@quick
@given(st.lists(st.sampled_from((*SPECIAL, *MARKS, *FRAMES, "<", "\n", "a", " ")), max_size=8).map("".join))
def test_what_looks_like_a_control_token_in_a_tools_output_is_plain_text(text: str):
    chat = tiny.chat()
    control = set(chat.tokenizer.convert_tokens_to_ids([*SPECIAL, *MARKS, *FRAMES]))
    frame = chat.extension_ids(("",))
    ids = chat.extension_ids((text,))
    assert [i for i in ids if i in control] == [i for i in frame if i in control]
    assert chat.text(ids) == chat.text(frame).replace("\n\n</tool_response>", f"\n{text}\n</tool_response>")


def rendered(chat: Chat, conversation: list[dict]) -> list[int]:
    return chat.tokenizer.apply_chat_template(
        conversation, tokenize=True, add_generation_prompt=True, return_dict=False
    )  # type: ignore[return-value]


def test_an_extended_conversation_equals_the_rendered_one_for_the_tiny_template():
    chat = tiny.chat()
    call = Message(
        role="assistant", content="look", calls=(ToolCall(name="find", arguments={"town": "Amber Bay"}),)
    )
    answer = Message(role="assistant", content="Cedar Hill", thought="the page says so")
    ids = chat.prompt_ids(opening())
    ids += chat.message_ids(call) + chat.extension_ids(("the page is 1", "error: there is no town"))
    ids += chat.message_ids(answer) + chat.extension_ids((), "What is the town?")
    assert list(ids) == rendered(chat, [
        {"role": "system", "content": "Answer."},
        {"role": "user", "content": "find Amber Bay"},
        {"role": "assistant", "content": "look", "tool_calls": [{"name": "find", "arguments": {"town": "Amber Bay"}}]},
        {"role": "tool", "content": "the page is 1"},
        {"role": "tool", "content": "error: there is no town"},
        {"role": "assistant", "content": "Cedar Hill", "reasoning_content": "the page says so"},
        {"role": "user", "content": "What is the town?"},
    ])  # fmt: skip


# Qwen3's way with thinking: kept after the last user turn, dropped from every turn before it
STRIPPING = """\
{%- set ns = namespace(last=-1) %}
{%- for m in messages %}{%- if m.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}
{%- for m in messages %}
{%- if m.role == 'assistant' %}
{%- set thought = m.content.split('</think>')[0].split('<think>')[-1].strip('\\n') if '</think>' in m.content else '' %}
{%- set content = m.content.split('</think>')[-1].lstrip('\\n') %}
{{- '<|im_start|>assistant\\n' }}
{%- if loop.index0 > ns.last and (loop.last or thought) %}{{- '<think>\\n' + thought + '\\n</think>\\n\\n' }}{%- endif %}
{{- content + '<|im_end|>\\n' }}
{%- elif m.role == 'tool' %}
{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
{{- '\\n<tool_response>\\n' + m.content + '\\n</tool_response>' }}
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
{%- else %}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""


def folder_with(tmp_path: Path, **changes: object) -> Path:
    """A copy of the tiny tokenizer's folder with changes to its config; None removes an entry."""
    folder = tmp_path / "changed"
    shutil.copytree(tiny.chat().tokenizer.name_or_path, folder)
    if changes.get("chat_template", "") != "":
        (folder / "chat_template.jinja").unlink(missing_ok=True)
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    return folder


def test_a_template_that_strips_earlier_thinking_is_extended_and_never_rendered_again(tmp_path: Path):
    (folder := folder_with(tmp_path)).joinpath("chat_template.jinja").write_text(STRIPPING)
    chat = Chat.load(folder)
    thinking = Message(role="assistant", thought="a town", content="Amber Bay")
    ids = chat.prompt_ids(opening()) + chat.message_ids(thinking)
    extended = ids + chat.extension_ids((), "What is the sister?")
    said = [{"role": m.role, "content": m.content} for m in opening()]
    said += [
        {"role": "assistant", "content": write(thinking)},
        {"role": "user", "content": "What is the sister?"},
    ]
    assert "a town" not in chat.text(rendered(chat, said)), "the template does strip"
    assert extended[: len(ids)] == ids
    assert "a town" in chat.text(extended)
    assert chat.text(extended).endswith(
        "Amber Bay\n<|im_start|>user\nWhat is the sister?\n<|im_start|>assistant\n"
    )
    assert extended[len(ids) - 1] == chat.eos_id
    tools = chat.text(chat.extension_ids(("found",)))
    assert tools == "\n<|im_start|>user\n<tool_response>\nfound\n</tool_response>\n<|im_start|>assistant\n"


def test_a_folder_without_a_tokenizer_is_a_model_error_with_the_mend(tmp_path: Path):
    with pytest.raises(ModelError, match=r"needs tokenizer\.json"):
        Chat.load(tmp_path)


def test_a_folder_without_a_chat_template_is_a_model_error_with_the_mend(tmp_path: Path):
    folder = folder_with(tmp_path, chat_template=None)
    with pytest.raises(
        ModelError, match=r"no chat template; use an instruct model's folder, or put a chat_template\.jinja"
    ):
        Chat.load(folder)


def test_a_folder_without_an_end_token_is_a_model_error_with_the_mend(tmp_path: Path):
    folder = folder_with(tmp_path, eos_token=None)
    with pytest.raises(ModelError, match="names no eos_token; set it"):
        Chat.load(folder)


def test_transformers_opens_the_folder_that_we_save(tmp_path: Path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = tiny.model()
    folder = tiny.save(model, tmp_path / "model")
    ids = torch.tensor([tiny.chat().prompt_ids(opening())])
    again = AutoModelForCausalLM.from_pretrained(folder)
    assert torch.equal(again(input_ids=ids).logits, model(input_ids=ids).logits)
    assert rendered(
        Chat(AutoTokenizer.from_pretrained(folder)), [{"role": "user", "content": "town"}]
    ) == rendered(tiny.chat(), [{"role": "user", "content": "town"}])


def test_any_text_comes_back_from_the_tiny_tokenizer():
    tokenizer = tiny.chat().tokenizer
    text = "Amber Bay 1234 naïve ÄÖ 数 \n\n\t  'x=two' 🙂"
    assert tokenizer.decode(tokenizer.encode(text), clean_up_tokenization_spaces=False) == text


def test_a_tiny_models_tools_are_its_names_and_their_arguments_whoever_renders_them(tmp_path: Path):
    schema = ToolSchema(
        name="find",
        description="Find a page.",
        parameters={"type": "object", "properties": {"query": {}, "part": {}}, "required": []},
    )
    shown = tiny.chat().text(tiny.chat().prompt_ids((Message(role="user", content="x"),), (schema,)))
    assert '{"name": "find", "arguments": "query part"}' in shown
    assert "Find a page." not in shown


@pytest.mark.parametrize(
    "mark", ["</tool_call>", "</think>", "<|im_end|>", "<tool_call>", "<think>", "a < b </tool_call> c"]
)
def test_a_mark_of_the_format_inside_an_argument_stays_an_argument(mark: str):
    message = Message(
        role="assistant", content="look", calls=(ToolCall(name="f", arguments={"x": mark, "y": [mark, 1]}),)
    )
    text = write(message)
    assert read(text) == message
    assert "<|" not in text
    ids = tiny.chat().message_ids(message)
    assert ids.count(tiny.chat().eos_id) == 1


def test_what_no_text_can_hold_does_not_leave_the_reader():
    said = read('<tool_call>{"name": "f", "arguments": {"x": "\\ud800", "y": ["\\udfff ok"]}}</tool_call>')
    (call,) = said.calls
    json.dumps(call.arguments, ensure_ascii=False).encode()
    assert call.arguments["y"][0].endswith(" ok")
    for wrong in ("NaN", "Infinity", "-Infinity"):
        assert read(f'<tool_call>{{"name": "f", "arguments": {{"x": {wrong}}}}}</tool_call>').malformed


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call><function=f>" + "<parameter=a>" * 80_000, "<tool_call>" * 100_000, "<tool_call>{" * 90_000, "</think>" * 120_000,
        "<tool_call><function=f>" + "<parameter=a>x</parameter>" * 40_000 + "</function></tool_call>", "<" * 1_000_000,
        "<tool_call>" + "[" * 1_000_000, "<tool_call><function=" * 50_000, "<think>" * 140_000,
        "<tool_call><function=f></tool_call>" * 30_000, "<tool_call><function=f><parameter=a>" + "</parameter>x" * 80_000,
        "</function>" + " " * 1_000_000 + "<tool_call>",
    ],
)  # fmt: skip
def test_a_megabyte_of_anything_is_read_in_a_second(text: str):
    import time

    began = time.process_time()
    read(text)
    assert time.process_time() - began < 1.0
