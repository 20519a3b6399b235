"""What a reader left out, and why: a corpus of a million pages always has some that cannot be read."""

from collections import Counter
from dataclasses import dataclass, field

EXAMPLES = 5  # names kept per reason
LONGEST = 60  # characters of a name


@dataclass
class Skipped:
    """Counts of skipped pages by reason, with the first few names of each, and where the file itself is damaged."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)  # the first few places: file, byte, what is wrong
    damages: int = 0  # places in all

    def add(self, page: str, reason: str) -> None:
        """Note that `page` was left out for `reason` (few words, the same for all pages of a kind)."""
        self.counts[reason] += 1
        names = self.examples.setdefault(reason, [])
        if len(names) < EXAMPLES:
            names.append(page if len(page) <= LONGEST else f"{page[:LONGEST]}…")

    def damaged(self, place: str) -> None:
        """Note that the file is damaged at `place`: pages that stood there are lost without a name."""
        self.damages += 1
        if len(self.damage) < EXAMPLES:
            self.damage.append(place)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def __str__(self) -> str:
        """One line for a person: `12 pages skipped: 10 empty (A, B ...), 2 not UTF-8 (C, D); damaged: w.xml near …`."""
        parts = [
            f"{count} {reason} ({', '.join(self.examples[reason])}{' ...' if count > EXAMPLES else ''})"
            for reason, count in self.counts.most_common()
        ]
        line = f"{self.total} page{'s' * (self.total > 1)} skipped: {', '.join(parts)}" if parts else ""
        if self.damages:
            places = ", ".join(self.damage) + (" ..." if self.damages > EXAMPLES else "")
            line = f"{line or 'no page skipped by name'}; DAMAGED, what stood there is lost: {places}"
        return line or "no page skipped"
