"""Quantities with units: read from free text, compared across units by pint.

What a model wrote reaches pint only through a narrow grammar (unit letters, products, small exponents), so that no
text can make the comparison slow or make it evaluate anything.
"""

import re
from functools import cache, lru_cache
from typing import Any

UNIT = r"[A-Za-zµμΩ°]+(?:(?:\^|\*\*)-?\d)?"
JOIN = r"\s?[*/·⋅]\s?\(?|\s"
QUANTITY = re.compile(
    r"(?P<number>[-−]?\d+(?:,\d{3})*(?:\.\d+)?(?:[eE][-+]?\d{1,3})?)"
    r"(?:\s?[×x*]\s?10(?:\^|\*\*)?\{?(?P<power>[-−]?\d{1,3})\}?)?"
    rf"[ \t]?(?P<unit>{UNIT}(?:(?:{JOIN}){UNIT}\)?){{0,6}})?"
)
# TeX and Markdown around an answer: \text, \, and ** where it is not a power
MARKS = r"\\(?:text|mathrm|cdot|[,; ])|[$\\]|\*\*(?!-?\d)"
BRACES = {ord("{"): None, ord("}"): None}


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()


@lru_cache(maxsize=8192)
def unit(text: str) -> tuple[float, str] | None:
    """(factor to base units, dimension) of a unit; None where pint knows no such unit.

    >>> unit("kN")
    (1000.0, '[length] * [mass] / [time] ** 2')
    """
    if len(text) > 60 or text.count("(") != text.count(")"):
        return None
    try:
        one = _registry().Quantity(1.0, text.replace("^", "**").replace("·", "*").replace("⋅", "*"))
        return float(one.to_base_units().magnitude), str(one.dimensionality)
    except Exception:  # pint raises many types for odd unit texts; all mean "no such unit"
        return None


def quantity(text: str, dimension: str) -> tuple[float | None, float | None]:
    """The last quantity of the text's last line: (its number as written, its value in base units).

    The value is None where the words after the number are no unit of this dimension; both are None without a number.
    """
    lines = [line for line in text[-2000:].splitlines() if line.strip()]
    if not lines:
        return None, None
    line = " ".join(re.sub(MARKS, " ", lines[-1][-300:].replace("\\times", "×").translate(BRACES)).split())
    found = list(QUANTITY.finditer(line))
    if not found:
        return None, None
    # exponents of units ("m^2") hold numbers of their own, inside the same match; the last match is the last quantity
    last = found[-1]
    number = float(last["number"].replace(",", "").replace("−", "-"))
    if last["power"]:
        number *= 10.0 ** int(last["power"].replace("−", "-"))
    words = last["unit"] or ""
    while words:
        known = unit(words.strip())
        if known and known[1] == dimension:
            return number, number * known[0]
        words = re.sub(rf"(?:^|(?:{JOIN})){UNIT}\)?$", "", words, count=1)
    return number, None


def same(value: float, wanted: float, tolerance: float) -> bool:
    """Whether two numbers agree within a relative tolerance.

    >>> same(36.01, 36, 0.001)
    True
    """
    return abs(value - wanted) <= tolerance * abs(wanted) + 1e-300
