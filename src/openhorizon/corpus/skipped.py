"""What a reader left out, and why: a corpus of a million pages always has some that cannot be read."""

from collections import Counter
from dataclasses import dataclass, field

EXAMPLES = 5  # names kept per reason


@dataclass
class Skipped:
    """Counts of skipped pages by reason, with the first few names of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, page: str, reason: str) -> None:
        """Note that `page` was left out for `reason` (few words, the same for all pages of a kind)."""
        self.counts[reason] += 1
        names = self.examples.setdefault(reason, [])
        if len(names) < EXAMPLES:
            names.append(page)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def __str__(self) -> str:
        """One line for a person: `12 pages skipped: 10 empty (A, B ...), 2 not UTF-8 (C, D)`."""
        if not self.total:
            return "no page skipped"
        parts = [
            f"{count} {reason} ({', '.join(self.examples[reason])}{' ...' if count > EXAMPLES else ''})"
            for reason, count in self.counts.most_common()
        ]
        return f"{self.total} page{'s' * (self.total > 1)} skipped: {', '.join(parts)}"
