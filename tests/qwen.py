"""Chat templates that behave as the stock ones of Qwen2.5, Qwen3, Qwen3-coder and Qwen3.5, written for these tests, and a byte-level
tokenizer with those models' control tokens, all as ordinary tokenizer folders."""

from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from openhorizon.chat.chat import Chat

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>")
MARKS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")

_JSON_TOOLS = """\
{{- '# Tools\\n\\nYou may call one or more functions to assist with the user query.\\n\\nYou are provided with function signatures within <tools></tools> XML tags:\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}
{{- '\\n</tools>\\n\\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\\n<tool_call>\\n{"name": <function-name>, "arguments": <args-json-object>}\\n</tool_call>' }}"""
_TAG_TOOLS = """\
{{- '# Tools\\n\\nYou have access to the following functions:\\n\\n<tools>' }}
{%- for tool in tools %}
{%- set f = tool.function %}
{{- '\\n<function>\\n<name>' + f.name + '</name>\\n<description>' + (f.description | trim) + '</description>\\n<parameters>' }}
{%- for name, field in f.parameters.properties | items %}
{{- '\\n<parameter>\\n<name>' + name + '</name>\\n<type>' + field.type + '</type>\\n</parameter>' }}
{%- endfor %}
{{- '\\n</parameters>\\n</function>' }}
{%- endfor %}
{{- '\\n</tools>\\n\\nCalls look so:\\n<tool_call>\\n<function=name>\\n<parameter=one>\\nvalue\\n</parameter>\\n</function>\\n</tool_call>' }}"""
_JSON_CALL = """\
{{- '<tool_call>\\n{"name": "' + call.name + '", "arguments": ' + (call.arguments | tojson) + '}\\n</tool_call>' }}"""
_TAG_CALL = """\
{{- '<tool_call>\\n<function=' + call.name + '>\\n' }}
{%- for name, value in call.arguments | items %}
{{- '<parameter=' + name + '>\\n' + (value if value is string else value | tojson) + '\\n</parameter>\\n' }}
{%- endfor %}
{{- '</function>\\n</tool_call>' }}"""
# results of neighbouring calls stand together in one user message, in all of them
_TOOL_TURN = """\
{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
{{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}"""


def _template(tools: str, call: str, thinks: str, default: str = "") -> str:
    """`thinks`: "no"; "yes": thoughts behind the last user's message are shown; "opens": and the template begins them."""
    said = "{%- set content = message.content or '' %}"
    thought = ""
    if thinks != "no":
        said += (
            "{%- if message.reasoning_content is string %}{%- set thought = message.reasoning_content %}"
            "{%- elif '</think>' in content %}{%- set thought = content.split('</think>')[0].split('<think>')[-1] %}"
            "{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- else %}{%- set thought = '' %}{%- endif %}"
        )
        always = "true" if thinks == "opens" else "loop.last or thought"
        thought = (
            f"{{%- if loop.index0 > last.query and ({always}) %}}"
            "{{- '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' }}{%- endif %}"
        )
    last = (
        "{%- set last = namespace(query=messages | length - 1, open=true) %}{%- for m in messages[::-1] %}"
        "{%- if last.open and m.role == 'user' %}{%- set last.open = false %}"
        "{%- set last.query = messages | length - 1 - loop.index0 %}{%- endif %}{%- endfor %}"
    )
    first = "messages[0].role == 'system'"
    return f"""\
{{%- if tools %}}{{{{- '<|im_start|>system\\n' }}}}
{{%- if {first} %}}{{{{- messages[0].content + '\\n\\n' }}}}{{%- elif {default!r} %}}{{{{- {default!r} + '\\n\\n' }}}}{{%- endif %}}
{tools}
{{{{- '<|im_end|>\\n' }}}}
{{%- elif {first} %}}{{{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}}}
{{%- elif {default!r} %}}{{{{- '<|im_start|>system\\n' + {default!r} + '<|im_end|>\\n' }}}}{{%- endif %}}
{last if thinks != "no" else ""}
{{%- for message in messages %}}
{{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}}
{{{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}}}
{{%- elif message.role == 'assistant' %}}
{said}
{{{{- '<|im_start|>assistant\\n' }}}}{thought}{{{{- content }}}}
{{%- for wrapped in message.tool_calls or [] %}}
{{%- set call = wrapped.function or wrapped %}}
{{%- if content or not loop.first %}}{{{{- '\\n' }}}}{{%- endif %}}
{call}
{{%- endfor %}}
{{{{- '<|im_end|>\\n' }}}}
{{%- elif message.role == 'tool' %}}
{_TOOL_TURN}
{{%- endif %}}
{{%- endfor %}}
{{%- if add_generation_prompt %}}{{{{- '<|im_start|>assistant\\n{"<think>" + chr(92) + "n" if thinks == "opens" else ""}' }}}}{{%- endif %}}
"""


TEMPLATES = {
    "qwen2.5": _template(_JSON_TOOLS, _JSON_CALL, "no", "You are a helpful assistant."),
    "qwen3": _template(_JSON_TOOLS, _JSON_CALL, "yes"),
    "qwen3-thinking": _template(_JSON_TOOLS, _JSON_CALL, "opens"),
    "qwen3-coder": _template(_TAG_TOOLS, _TAG_CALL, "no"),
    "qwen3.5": _template(_TAG_TOOLS, _TAG_CALL, "opens"),
}


def save_tokenizer(template: str, folder: Path) -> Path:
    """The tokenizer's folder: 256 bytes, a few merges, the control tokens at the end, as Qwen's tokenizers have it."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = {token: i for i, token in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges = [
        ("t", "h"),
        ("th", "e"),
        ("i", "n"),
        ("Ġ", "the"),
        ("<", "|"),
        ("|", ">"),
        ("i", "m"),
        ("im", "_"),
    ]
    for pair in merges:
        tokens["".join(pair)] = len(tokens)
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in SPECIAL])
    tokenizer.add_tokens([AddedToken(t, normalized=False, special=False) for t in MARKS])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=template
    ).save_pretrained(str(folder))
    return folder


@lru_cache
def chat(name: str) -> Chat:
    """The chat of the model's template, loaded from a folder as a user's would be."""
    return Chat.load(save_tokenizer(TEMPLATES[name], Path(mkdtemp()) / name))
