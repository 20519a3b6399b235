"""Invented names and the rule that parts training from held-out entities and values.

A name is two words of small pools, so that a tiny vocabulary covers every name, while a *pair* of words
belongs to one split only. The rule looks at the name alone: no list has to be kept, any process agrees.
"""

import itertools
import random
from collections.abc import Iterator
from zlib import crc32

from openhorizon.records import Split

FIRST = (
    "Amber", "Birch", "Cobalt", "Delta", "Ember", "Flint", "Garnet", "Harbor", "Indigo", "Jasper", "Kelp", "Lunar",
    "Maple", "North", "Ocean", "Pearl", "Quartz", "River", "Silver", "Thorn", "Umber", "Violet", "Willow", "Zephyr",
)  # fmt: skip
SECOND = (
    "Arch", "Bay", "Crest", "Dale", "Edge", "Ford", "Gate", "Hill", "Isle", "Keep", "Lake", "Moor",
    "Nook", "Oak", "Point", "Quay", "Ridge", "Stone", "Tower", "Vale", "Wood", "Yard", "Fell", "Glen",
)  # fmt: skip


def split_of(entity: str) -> Split:
    """The only split that may use this name or value: a quarter is held out.

    >>> split_of("Amber Bay") == split_of("Amber Bay")
    True
    """
    return Split.HELDOUT if crc32(entity.encode()) % 4 == 0 else Split.TRAIN


def names(split: Split, seed: int) -> Iterator[str]:
    """All names of the split, each once, in an order drawn from the seed."""
    pairs = [f"{a} {b}" for a, b in itertools.product(FIRST, SECOND)]
    random.Random(seed).shuffle(pairs)
    return (name for name in pairs if split_of(name) is split)
