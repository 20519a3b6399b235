"""Long attempts from end to end: how long they are, and what one of 250 calls costs from playing to training rows.

First the surveys that `openhorizon propose search --horizon long` makes of a corpus and of generated chronicles: accepted,
rejected, calls and tokens. Then the longest attempt alone: played by the scripted expert, written back, read again, put
into token rows, put into a batch, shown. The peer of the rows is the naive way, which many harnesses go: at every turn the
whole conversation is rendered by the chat template and tokenised anew.

    OMP_NUM_THREADS=1 python benchmarks/long_attempts.py --corpus DUMP

Tokens are those of Tekken (Mistral's 131,072 entries, from the package mistral-common) where it is installed, else of a
byte-level BPE of 32,768 entries trained on the pages themselves; beside them characters / 4 and the run's own tokenizer.
"""

import argparse
import base64
import importlib.util
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from openhorizon.chat.chat import Chat
from openhorizon.chat.template import QWEN_TEMPLATE
from openhorizon.chat.tiny import MARKS, SPECIAL, train_tokenizer
from openhorizon.chat.wire import write
from openhorizon.domains import domain_of
from openhorizon.domains.domain import Order, Resources
from openhorizon.domains.search import own_corpus
from openhorizon.domains.search.own_corpus import Own
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.files import Folder
from openhorizon.graph.store import GraphStore
from openhorizon.graph.writeback import written
from openhorizon.jobs import Pair
from openhorizon.own_tasks import LazySandbox
from openhorizon.records import Judged, Sample, Split, Task
from openhorizon.report.build import build
from openhorizon.report.data import ReportData, Shown
from openhorizon.report.terminal import show_trajectory
from openhorizon.rollout.batch import play_experts
from openhorizon.rollout.play import Play
from openhorizon.selfplay.game import Outcome, play
from openhorizon.training.batches import batches
from openhorizon.training.samples import message_sample

SEARCH = domain_of("search", "long")
TOOLS = tuple(t.schema for t in SEARCH.tools)
BYTE_LEVEL = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def in_qwen_format(tokenizer: Tokenizer, pattern: str, folder: Path) -> Chat:
    """A byte-level tokenizer with the control tokens and the template of our own models."""
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.add_tokens([AddedToken(m, normalized=False, special=False) for m in MARKS])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=QWEN_TEMPLATE,
    )
    wrapped.save_pretrained(str(folder))
    return Chat.load(folder)


def tekken(folder: Path) -> Chat | None:
    """Mistral's Tekken, from the file that mistral-common brings; None where it is not installed."""
    spec = importlib.util.find_spec("mistral_common")
    if spec is None or not spec.submodule_search_locations:
        return None
    said = json.loads((Path(spec.submodule_search_locations[0]) / "data" / "tekken_240911.json").read_bytes())
    size = said["config"]["default_vocab_size"] - said["config"]["default_num_special_tokens"]
    rank = {base64.b64decode(v["token_bytes"]): v["rank"] for v in said["vocab"][:size]}
    letters = {b: c for b, c in zip(_visible_bytes(), _byte_letters(), strict=True)}

    def spelled(token: bytes) -> str:
        return "".join(letters[b] for b in token)

    merges: list[tuple[int, int, int, str, str]] = []
    for token, at in rank.items():
        for cut in range(1, len(token)):
            a, b = token[:cut], token[cut:]
            if a in rank and b in rank:
                merges.append((at, rank[a], rank[b], spelled(a), spelled(b)))
    merges.sort()
    vocabulary = {spelled(token): at for token, at in rank.items()}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[(a, b) for *_, a, b in merges]))
    return in_qwen_format(tokenizer, said["config"]["pattern"], folder)


def _visible_bytes() -> list[int]:
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return shown + [b for b in range(256) if b not in shown]


def _byte_letters() -> list[str]:
    hidden = iter(range(256, 512))
    return [chr(b) if n < 188 else chr(next(hidden)) for n, b in enumerate(_visible_bytes())]


def trained(texts: Iterable[str], folder: Path) -> Chat:
    """A byte-level BPE of 32,768 entries of these texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(BYTE_LEVEL), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=32_768, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return in_qwen_format(tokenizer, BYTE_LEVEL, folder)


@dataclass
class Surveys:
    """What came of one corpus."""

    name: str
    own: Own
    outcome: Outcome
    seconds: float
    chats: dict[str, Chat]

    @property
    def solved(self) -> list[tuple[Task, Judged]]:
        return list(zip(self.outcome.tasks, self.outcome.demonstrations, strict=True))


def surveyed(name: str, own: Own, count: int, folder: Path, levels: tuple[int, ...] = (1, 2, 3)) -> Surveys:
    began = time.perf_counter()
    order = Order(split=Split.TRAIN, seed=0, levels=levels, size="full")
    outcome = play(
        SEARCH,
        own.graph,
        order,
        Resources(own.graph, own.index, LazySandbox(harmless=True)),
        count,
        partial=True,
    )
    seconds = time.perf_counter() - began
    train_tokenizer(said_in(outcome.demonstrations), 2048, folder / f"{name}-own")
    chats = {"run's own": Chat.load(folder / f"{name}-own")}
    found = tekken(folder / f"{name}-tekken")
    return Surveys(
        name, own, outcome, seconds,
        {"Tekken": found} | chats if found else {"BPE 32K": trained((p.text for p in own.index), folder / f"{name}-bpe")} | chats,
    )  # fmt: skip


def said_in(attempts: Iterable[Judged]) -> Iterable[str]:
    for one in attempts:
        yield from (m.content for m in one.trajectory.prompt)
        for turn in one.trajectory.turns:
            yield turn.completion.text
            yield from (r.text for r in turn.results)


def calls(judged: Judged) -> int:
    return sum(len(turn.results) for turn in judged.trajectory.turns)


def characters(judged: Judged) -> int:
    return sum(map(len, said_in([judged])))


def row(judged: Judged, chat: Chat) -> Sample:
    return message_sample(judged.trajectory, chat, TOOLS)


def table(found: Surveys) -> None:
    """Lengths of all attempts, by every tokenizer."""
    attempts = found.outcome.demonstrations
    print(
        f"\n{found.name}: {len(attempts)} accepted of {len(found.outcome.proposals)} proposed in {found.seconds:.1f} s; rejected "
        f"{found.outcome.reasons or 'none'}{'; ' + found.outcome.short if found.outcome.short else ''}"
    )
    counts = {"calls": [calls(a) for a in attempts], "characters / 4": [characters(a) // 4 for a in attempts]}
    for name, chat in found.chats.items():
        rows = [row(a, chat) for a in attempts]
        counts[f"tokens, {name}"] = [len(r.token_ids) for r in rows]
        counts[f"of them written, {name}"] = [sum(r.loss_mask) for r in rows]
    for name, values in counts.items():
        print(
            f"  {name:28} mean {statistics.mean(values):>9,.0f}  least {min(values):>8,}  most {max(values):>8,}"
        )


def timed(repeats: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """Median seconds, and what came of it."""
    seconds, done = [], None
    for _ in range(repeats):
        began = time.perf_counter()
        done = work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), done


def naive_rows(judged: Judged, chat: Chat, every: int) -> int:
    """Every `every`-th turn's context, rendered from all messages and tokenised; returns the tokens encoded."""
    shown: list[dict[str, Any]] = [{"role": m.role, "content": m.content} for m in judged.trajectory.prompt]
    tools = [
        {
            "type": "function",
            "function": {"name": t.name, "description": t.description, "parameters": t.parameters},
        }
        for t in TOOLS
    ]
    encoded = 0
    for number, turn in enumerate(judged.trajectory.turns):
        if number % every == 0:
            text = chat.tokenizer.apply_chat_template(
                shown, tools=tools, add_generation_prompt=True, tokenize=False
            )
            encoded += len(chat.tokenizer.encode(str(text), add_special_tokens=False))
        shown.append({"role": "assistant", "content": write(turn.message)})
        shown += [{"role": "tool", "content": r.text} for r in turn.results]
    return encoded


def one_attempt(found: Surveys, repeats: int, folder: Path) -> None:
    """The longest attempt through everything."""
    task, judged = max(found.solved, key=lambda pair: characters(pair[1]))
    name, chat = next(iter(found.chats.items()))
    work = Resources(found.own.graph, found.own.index, LazySandbox(harmless=True))
    turns = len(judged.trajectory.turns)
    print(
        f"\none attempt of {calls(judged)} calls, {turns} turns, {len(row(judged, chat).token_ids):,} tokens ({name}), {task.id}"
    )

    def played() -> Judged:
        engine = ScriptedEngine(lambda _: SEARCH.expert(task.public()))
        return play_experts([task], SEARCH, Play(engine, work, "full"))[0].judged[0]

    def stored() -> int:
        path = folder / "graph.db"
        path.unlink(missing_ok=True)
        with GraphStore(path) as store:
            store.add(*written(task, [judged]))
            steps = store.provenance(task.id).attempts[0].steps
        seen = [r.text for turn in judged.trajectory.turns for r in turn.results]
        assert [s.observation.text for s in steps if s.observation] == seen
        return path.stat().st_size

    def on_disk() -> int:
        Folder(folder).write_jsonl("demonstration.jsonl", [Pair(task=task, judged=judged)])
        (again,) = Folder(folder).read_jsonl("demonstration.jsonl", Pair)
        assert again == Pair(task=task, judged=judged)
        return (folder / "demonstration.jsonl").stat().st_size

    def terminal() -> int:
        from rich.console import Console

        out = Console(file=open(os.devnull, "w"), record=True, width=120)  # noqa: SIM115
        show_trajectory(judged, task, out)
        return len(out.export_text())

    def page() -> int:
        return len(
            build(ReportData(name="long", samples=(Shown(model="student", judged=judged, task=task),)))
        )

    ours, sample = timed(repeats, lambda: row(judged, chat))
    every = 16
    sampled, encoded = timed(1, lambda: naive_rows(judged, chat, every))
    steps: list[tuple[str, tuple[float, Any], str]] = [
        ("played by the expert", timed(repeats, played), "judged right: {0.verdict.passed}"),
        ("written back, read by provenance", timed(repeats, stored), "{0:,} bytes"),
        ("to a demonstrations file and back", timed(repeats, on_disk), "{0:,} bytes"),
        ("into a token row", (ours, len(sample.token_ids)), "{0:,} tokens"),
        (
            "the row into a batch",
            timed(repeats, lambda: next(batches([sample], [1.0])).ids_BT.shape[1]),
            "{0:,} wide",
        ),
        ("shown in the terminal", timed(repeats, terminal), "{0:,} characters"),
        ("the report's page", timed(repeats, page), "{0:,} characters"),
    ]
    for what, (seconds, came), text in steps:
        print(f"  {what:36} {seconds:8.3f} s   {text.format(came)}")
    print(
        f"  naive, rendered anew at every turn   {sampled * every:8.1f} s   {encoded * every:,} tokens encoded (every {every}th turn "
        f"measured): {sampled * every / ours:,.0f} times the token row's time"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--corpus", help="your documents, such as a MediaWiki dump; none: only generated chronicles"
    )
    parser.add_argument("-n", type=int, default=24, help="surveys of each corpus")
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if chosen.corpus:
            table(surveyed("corpus", own_corpus.load(chosen.corpus), chosen.n, folder))
        generated = surveyed("chronicles", own_corpus.generated(0), chosen.n, folder)
        table(generated)
        one_attempt(generated, chosen.repeats, folder)


if __name__ == "__main__":
    main()
