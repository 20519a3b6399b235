"""Text that a model wrote, made harmless to look at: it may hold terminal codes, direction tricks or nothing at all."""

import re

# C0 and C1 controls other than tab and newline, and the marks that turn or hide text: each is shown, never obeyed
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def visible(text: str, limit: int = 0) -> str:
    """The text with every control character spelled out, cut after `limit` characters (0: never) with a note.

    >>> visible("red \\x1b[31m alert")
    'red ␛[31m alert'
    """
    text = text.replace("\r\n", "\n")
    cut = len(text) - limit if limit and len(text) > limit else 0
    shown = _UNSEEN.sub(_spelled, text[:limit] if cut else text)
    return f"{shown} … [{cut:,} more characters]" if cut else shown


def _spelled(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"
