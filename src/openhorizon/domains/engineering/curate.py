"""Choose the competitions that are worth posing: `python -m openhorizon.domains.engineering.curate` writes curated.json.

Every result comes from a program in the sandbox. A mini competition is kept where many sets of models have one clear
winner, by validation and by the private answers alike, and the winners differ between competitions. A full one is
kept where the model that validates best is good on the private rows and several ordinary ones are not.
"""

from collections import Counter
from itertools import combinations
from pathlib import Path

import msgspec

from openhorizon.domains.engineering.data import SETS, Competition, competition, entity
from openhorizon.domains.engineering.grade import Run, private_score, reward, run
from openhorizon.domains.engineering.programs import FAMILIES, KIT, kit_program, patch_of, portfolio
from openhorizon.domains.engineering.propose import FULL_PASS, Curated
from openhorizon.domains.names import split_of
from openhorizon.records import Split
from openhorizon.sandboxes import open_sandbox
from openhorizon.sandboxes.sandbox import Sandbox

SEEDS = 240  # tried of each data set
WANTED = {Split.TRAIN: 80, Split.HELDOUT: 40}
FULL_WANTED = {Split.TRAIN: 40, Split.HELDOUT: 20}


def beats(a: Run, b: Run, given: Competition) -> bool:
    """Whether a is clearly the better choice: two points of validation, and b's private reward below 0.9 of a's."""
    room = private_score(a, given) - given.trivial
    return (
        room >= 0.12
        and (a.metric or 0) - (b.metric or 0) >= 2
        and reward(b, given, private_score(a, given)) <= 0.9
    )


def curate_mini(split: Split, sandbox: Sandbox) -> list[Curated]:
    """The best competitions by the number of sets of three families with a clear winner, winners balanced."""
    found: list[tuple[Counter[str], str, int]] = []
    for data, seed in ((d, s) for s in range(SEEDS) for d in SETS if split_of(entity(d, s)) is split):
        given = competition(data, seed, "mini")
        runs = {f: run(kit_program(f), given, "mini", sandbox) for f in FAMILIES}
        wins: Counter[str] = Counter()
        for three in combinations(FAMILIES, 3):
            for a in three:
                wins[a] += all(a == b or beats(runs[a], runs[b], given) for b in three)
        if wins.total() >= 4:
            found.append((wins, data, seed))
    chosen: list[Curated] = []
    sums: Counter[str] = Counter()
    while found and len(chosen) < WANTED[split]:
        # what adds most where most is lacking
        best = max(found, key=lambda f: sum(n / (4 + sums[name]) for name, n in f[0].items()))
        found.remove(best)
        sums += best[0]
        given = competition(best[1], best[2], "mini")
        runs_of = [run(kit_program(*k), given, "mini", sandbox) for k in KIT]
        rows = (sum(beats(a, b, given) << j for j, b in enumerate(runs_of)) for a in runs_of)
        chosen.append(Curated(data=best[1], seed=best[2], beats=tuple(f"{row:x}" for row in rows)))
    print(split, len(chosen), "mini; winners", dict(sums), "; data", dict(Counter(c.data for c in chosen)))
    return chosen


def curate_full(split: Split, sandbox: Sandbox) -> list[Curated]:
    """Competitions where the best by validation passes, patched or not, and at most half of the portfolio does."""
    chosen: list[Curated] = []
    winners: Counter[str] = Counter()
    pairs = ((d, s) for s in range(SEEDS) for d in SETS if d != "iris" and split_of(entity(d, s)) is split)
    while len(chosen) < FULL_WANTED[split]:
        data, seed = next(pairs)
        given = competition(data, seed, "full")
        sources = portfolio(given.metric)
        runs = {name: run(source, given, "full", sandbox) for name, source in sources.items()}
        strong = max(private_score(r, given) for r in runs.values())
        rewards = {name: reward(r, given, strong) for name, r in runs.items()}
        best = max(runs, key=lambda name: runs[name].metric or 0.0)
        patched = run(sources[best].replace(*patch_of(given.metric, best)), given, "full", sandbox)
        after = patched if (patched.metric or 0.0) > (runs[best].metric or 0.0) else runs[best]
        good = strong - given.trivial > 0.12 and min(rewards[best], reward(after, given, strong)) >= FULL_PASS
        good = good and sum(r >= FULL_PASS for r in rewards.values()) <= 3
        if good and winners[best] <= FULL_WANTED[split] * 0.35:
            winners[best] += 1
            chosen.append(Curated(data=data, seed=seed, metric=given.metric))
    print(split, len(chosen), "full; winners", dict(winners), "; data", dict(Counter(c.data for c in chosen)))
    return chosen


def main() -> None:
    sandbox = open_sandbox()
    kept = {
        "mini": [c for split in Split for c in curate_mini(split, sandbox)],
        "full": [c for split in Split for c in curate_full(split, sandbox)],
    }
    sandbox.close()
    lines = ",\n".join(
        f'"{size}": [\n' + ",\n".join(msgspec.json.encode(c).decode() for c in rows) + "\n]"
        for size, rows in kept.items()
    )
    Path(__file__).with_name("curated.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
