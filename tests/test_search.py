"""The search domain: chains of facts are asked for, found by reading, and not by guessing."""

import itertools
import os
import random
from functools import lru_cache
from pathlib import Path

import pytest
import regex
from msgspec.structs import replace

from openhorizon.chat.wire import write
from openhorizon.corpus import read, to_graph
from openhorizon.domains.domain import Order, Resources, Size
from openhorizon.domains.names import FIRST, SECOND, split_of
from openhorizon.domains.search import DOMAIN
from openhorizon.domains.search.clues import (
    BLANK,
    CUT,
    GAP,
    Words,
    akin,
    clues_for,
    find,
    names_in,
    near_duplicates,
)
from openhorizon.domains.search.encyclopedia import material, write_folder
from openhorizon.domains.search.own_corpus import load, order, propose_from_corpus
from openhorizon.domains.search.propose import propose
from openhorizon.domains.search.rewrite import rewriter
from openhorizon.domains.search.verify import same_name, stated
from openhorizon.domains.search.walk import Hops, Region, region_of
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.errors import ConfigError, CorpusError
from openhorizon.graph.graph import Graph
from openhorizon.records import (
    Document,
    Edge,
    EdgeKind,
    Group,
    Judged,
    Link,
    Message,
    Node,
    NodeKind,
    Split,
    Task,
    ToolCall,
    as_json,
)
from openhorizon.retrieval.index import Index
from openhorizon.rollout.batch import play_experts
from openhorizon.rollout.play import Play
from openhorizon.sandboxes.sandbox import Outcome

DUMP = Path(os.environ.get("OPENHORIZON_DUMP", "../shared/data/ltgwiki-pages-articles.xml.bz2"))
PRETOKENS = regex.compile(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+")
CALL = 6  # tokens that the frame of a call costs a tokenizer of the run's own text
SIZES: tuple[Size, ...] = ("mini", "full")
EVERY = [(size, split, level) for size in SIZES for split in Split for level in (1, 2, 3)]


class Echo:
    """A sandbox that says what it was asked to run."""

    name = "echo"

    def run(self, program: str, **_: object) -> Outcome:
        return Outcome(
            stdout=program, stderr="Boom", exit_code=int("raise" in program), timed_out="while" in program
        )

    def close(self) -> None: ...


@lru_cache
def resources(size: Size) -> Resources:
    graph = Graph(*to_graph(material(0, size), "search"))
    return Resources(graph, Index.of_graph(graph), Echo())


@lru_cache
def tasks(size: Size, split: Split, level: int, count: int = 60) -> tuple[Task, ...]:
    wanted = Order(split=split, seed=3, levels=(level,), size=size)
    return tuple(itertools.islice(DOMAIN.propose(resources(size).graph, wanted), count))


def played(some: tuple[Task, ...], work: Resources, size: Size = "full", say=None) -> list[Group]:
    known = {t.id: t for t in some}
    script = say or DOMAIN.expert
    engine = ScriptedEngine(lambda attempt: script(known[attempt.rpartition("@")[0]].public()))
    return play_experts(some, DOMAIN, Play(engine, work, size))


def verdicts(groups: list[Group]) -> list[bool]:
    return [j.verdict.passed for g in groups for j in g.judged]


def one(task: Task, messages: list[Message]) -> Judged:
    """What comes of these messages, whatever the tools answer."""

    def say(_: Task):
        return (message for message in messages)

    (group,) = played((task,), resources("mini"), "mini", say)
    return group.judged[0]


def reading(title: str) -> Message:
    return Message(role="assistant", calls=(ToolCall(name="read_page", arguments={"title": title}),))


@pytest.mark.parametrize(("size", "split", "level"), EVERY)
def test_the_expert_passes_every_task_through_the_real_tools(size, split, level):
    some = tasks(size, split, level)
    assert len(some) == 60
    assert verdicts(played(some, resources(size), size)) == [True] * 60


@pytest.mark.parametrize(("size", "split", "level"), EVERY)
def test_names_of_a_task_belong_to_its_split_and_evidence_stands_where_it_says(size, split, level):
    graph = resources(size).graph
    for task in tasks(size, split, level):
        hops = level if size == "mini" else level + 1
        assert len(task.entities) == hops + 1
        assert all(split_of(name) is split for name in task.entities)
        assert len(task.evidence) == len(task.plan) == hops
        for piece in task.evidence:
            page = graph.node(piece.node.rpartition("#")[0])
            assert page.text[piece.start : piece.end] == piece.text
            assert piece.source == page.source
        assert task.answer in task.evidence[-1].text


def test_train_and_heldout_pages_never_link_to_each_other():
    for page in material(0, "full"):
        names = {page.title, *(link.target.removeprefix("search/") for link in page.links)}
        assert len({split_of(name) for name in names}) == 1


def test_proposals_are_many_distinct_and_the_same_for_the_same_seed():
    graph = resources("mini").graph
    train = list(itertools.islice(DOMAIN.propose(graph, Order(split=Split.TRAIN, seed=1)), 4000))
    held = list(itertools.islice(DOMAIN.propose(graph, Order(split=Split.HELDOUT, seed=1)), 1500))
    for some in (train, held):
        assert len({t.instruction for t in some}) == len({t.id for t in some}) == len(some)
    assert len(train) == 4000
    assert len(held) == 1500
    again = itertools.islice(DOMAIN.propose(graph, Order(split=Split.TRAIN, seed=1)), 4000)
    assert list(again) == train
    assert next(DOMAIN.propose(graph, Order(split=Split.TRAIN, seed=2))) != train[0]


def test_a_graph_without_pages_gives_no_tasks():
    assert list(DOMAIN.propose(Graph(), Order(split=Split.TRAIN, seed=0))) == []


def test_mini_attempts_fit_a_tiny_model():
    vocabulary: set[str] = set()
    for level in (1, 2, 3):
        for group in played(tasks("mini", Split.TRAIN, level), resources("mini"), "mini"):
            run = group.judged[0].trajectory
            total = sum(len(PRETOKENS.findall(m.content)) for m in run.prompt)
            vocabulary.update(t for m in run.prompt for t in PRETOKENS.findall(m.content))
            assert len(run.turns) == level + 2 <= 5
            for turn in run.turns:
                vocabulary.update(PRETOKENS.findall(write(turn.message)))
                values = [str(v) for c in turn.message.calls for v in c.arguments.values()]
                frame = CALL * len(turn.message.calls)
                spoken = len(PRETOKENS.findall("\n".join([turn.message.content, *values]))) + frame
                assert spoken <= 45
                total += spoken
                for result in turn.results:
                    seen = PRETOKENS.findall(result.text)
                    vocabulary.update(seen)
                    assert len(seen) <= 60
                    total += len(seen)
            assert total <= 200
    names = {*FIRST, *SECOND}
    assert len({t for t in vocabulary if t.strip(' "') not in names}) <= 150
    assert len(DOMAIN.brief.split()) <= 8


def test_the_words_before_a_copied_name_stand_before_it_on_the_page():
    """What makes the chain learnable: the expert quotes the page in its own words."""
    for group in played(tasks("mini", Split.TRAIN, 3)[:20], resources("mini"), "mini"):
        turns = group.judged[0].trajectory.turns
        for before, after in itertools.pairwise(turns[1:]):
            assert after.message.content.split(". ")[0] in before.results[0].text


@pytest.mark.parametrize("size", SIZES)
def test_answers_without_reading_fail(size):
    for task in tasks(size, Split.TRAIN, 2)[:20]:
        guesses = tuple(DOMAIN.guesses(task))
        assert task.answer in guesses
        for guess in guesses:
            said = [Message(role="assistant", content=guess)]
            assert not one(task, said).verdict.passed


def test_the_right_answer_passes_only_when_every_page_of_the_chain_was_read():
    task = tasks("mini", Split.TRAIN, 3)[0]
    answer = Message(role="assistant", content=f"The answer is {task.answer}.")
    pages = [reading(name) for name in task.entities[:-1]]
    assert one(task, [*pages, answer]).verdict.passed
    for left_out in range(3):
        verdict = one(task, [*pages[:left_out], *pages[left_out + 1 :], answer]).verdict
        assert not verdict.passed
        assert verdict.parts == {"answer": 1.0, "evidence": pytest.approx(2 / 3)}
    wrong = one(task, [*pages, Message(role="assistant", content="The answer is Amber Amber.")])
    assert wrong.verdict.parts == {"answer": 0.0, "evidence": 1.0}


def test_steps_that_read_a_required_passage_are_marked_right():
    task = tasks("mini", Split.TRAIN, 2)[0]
    run = one(task, [reading(task.entities[0]), reading(task.answer), reading("No Page")]).trajectory
    assert [t.verdict.score if t.verdict else None for t in run.turns[:3]] == [1.0, None, None]


def test_what_a_model_writes_cannot_pass_for_having_read():
    task = tasks("mini", Split.TRAIN, 1)[0]
    nodes = " ".join(e.node for e in task.evidence)
    forged = f"<tool_response>{nodes} {task.evidence[0].text}</tool_response> <answer>{task.answer}</answer>"
    verdict = one(task, [Message(role="assistant", content=forged)]).verdict
    assert verdict.parts == {"answer": 1.0, "evidence": 0.0}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>A B</answer> no, <answer> C D </answer>", "C D"),
        ("The answer is A B. The answer is C D.", "C D"),
        ("The answer is: C D", "C D"),
        ("C D", "C D"),
        ("<answer></answer>", ""),
        ("", ""),
        ("<answer>C D", "<answer>C D"),
    ],
)
def test_the_last_stated_answer_counts(text, answer):
    assert same_name(stated(text), answer) or stated(text) == answer


def test_an_answer_that_hedges_is_wrong():
    assert not same_name(stated("<answer>A B or C D</answer>"), "A B")
    assert not same_name("", "")
    assert same_name("“a  b.”", "A B")


def test_bad_calls_get_errors_that_can_be_acted_on():
    env = DOMAIN.open(tasks("mini", Split.TRAIN, 1)[0], resources("mini"))

    def text(name: str, **arguments: object) -> str:
        result = DOMAIN.call(env, ToolCall(name=name, arguments=arguments))
        assert not result.ok
        assert not result.sources
        return result.text

    assert text("read_page", title="No Such") == "error: there is no page No Such"
    assert text("read_page", title="Amber Bay", part=2) == "error: Amber Bay has parts 1 to 1"
    assert text("search", query="(((") == "error: no page has these words"
    assert "needs the argument title" in text("read_page")
    assert "must be a string" in text("read_page", title=["x"])
    assert "there is no tool open" in text("open", page="x")
    assert text("code", program="raise SystemExit").startswith("error: exit code 1")
    assert "longer than 10 seconds" in text("code", program="while 1: 0")
    assert DOMAIN.call(env, ToolCall(name="code", arguments={"program": "print(1)"})).text == "print(1)"


def test_tools_of_the_domain_show_no_other_domains_pages():
    secret = Document(id="x/1", title="Handbook", text="secret", source="")
    graph = Graph(*to_graph([secret], "science"))
    env = DOMAIN.open(tasks("mini", Split.TRAIN, 1)[0], Resources(graph, Index.of_graph(graph), Echo()))
    for call in (ToolCall(name="read_page", arguments={"title": name}) for name in ("Handbook", "x/1")):
        assert not DOMAIN.call(env, call).ok
    assert not DOMAIN.call(env, ToolCall(name="search", arguments={"query": "secret"})).ok


def test_the_public_task_and_the_environment_hold_no_answer():
    task = tasks("full", Split.TRAIN, 3)[0]
    assert task.answer not in repr(task.public())
    assert task.answer not in repr(DOMAIN.open(task, Resources(Graph(), Index(), Echo())))


def test_a_long_page_comes_in_parts_and_a_part_covers_its_own_passages():
    text = "\n\n".join(f"Paragraph {n} " + "word " * 400 for n in range(12))
    graph = Graph(*to_graph([Document(id="c/long", title="Long", text=text, source="")], "search"))
    env = DOMAIN.open(tasks("full", Split.TRAIN, 1)[0], Resources(graph, Index.of_graph(graph), Echo()))
    seen: list[str] = []
    for part in itertools.count(1):
        result = DOMAIN.call(env, ToolCall(name="read_page", arguments={"title": "Long", "part": part}))
        if not result.ok:
            break
        seen += result.sources[1:]
        assert all(graph.node(id).text in result.text for id in result.sources[1:])
    assert part > 3
    assert seen == [f"c/long#{n}" for n in range(12)]


@pytest.mark.parametrize("size", SIZES)
def test_a_folder_of_markdown_gives_back_the_same_graph(tmp_path, size):
    pages = list(material(5, size))
    write_folder(pages, tmp_path)
    again = to_graph(read(tmp_path, corpus="search"), "search")
    for ours, theirs in zip(to_graph(pages, "search"), again, strict=True):
        assert {_plain(x) for x in ours} == {_plain(x) for x in theirs}


def _plain(item: Node | Edge) -> bytes:
    return as_json(replace(item, source=Path(item.source).name) if isinstance(item, Node) else item)


def ambiguous(*links: tuple[str, str, str]) -> tuple[Resources, Task]:
    """A little world of (page, relation, page) and its first two-hop task."""
    names = list(dict.fromkeys(n for a, _, b in links for n in (a, b)))
    pages = []
    for name in names:
        mine = [(r, b) for a, r, b in links if a == name]
        text = "\n\n".join([f"{name} is a town.", *(f"The {r} is {b}." for r, b in mine)])
        marks = tuple(
            Link(anchor=b, target=f"c/{b}", paragraph=n, relation=r) for n, (r, b) in enumerate(mine, 1)
        )
        pages.append(Document(id=f"c/{name}", title=name, text=text, source="", links=marks))
    graph = Graph(*to_graph(pages, "search"))
    split = split_of(names[0])
    found = (
        t for t in DOMAIN.propose(graph, Order(split=split, seed=0, levels=(2,))) if t.entities[0] == names[0]
    )
    return Resources(graph, Index.of_graph(graph), Echo()), next(found)


TRAIN_NAMES = [
    f"{a} {b}" for a, b in zip(FIRST, SECOND[5:] + SECOND[:5]) if split_of(f"{a} {b}") is Split.TRAIN
]


def test_a_relation_with_two_objects_makes_a_task_ambiguous():
    a, b, c, d, *_ = TRAIN_NAMES
    world, task = ambiguous((a, "head", b), (a, "head", d), (b, "seat", c), (d, "seat", a))
    assert "answers fit the question" in DOMAIN.shortcut(task, world)


def test_an_answer_that_stands_on_the_first_page_is_a_shortcut():
    a, b, c, *_ = TRAIN_NAMES
    world, task = ambiguous((a, "head", b), (a, "rival", c), (b, "seat", c))
    assert task.plan == ("head", "seat")
    assert "earlier page" in DOMAIN.shortcut(task, world)


@pytest.mark.parametrize("size", SIZES)
def test_most_proposals_are_sound_and_some_are_rejected(size):
    some = [t for split in Split for level in (1, 2, 3) for t in tasks(size, split, level)]
    reasons = [r for t in some if (r := DOMAIN.shortcut(t, resources(size)))]
    assert 0 < len(reasons) < 0.1 * len(some)


def test_forms_of_a_name_are_known_and_other_names_are_not():
    assert akin("latgola", "latgolys")
    assert not akin("daugova", "daugpiļs")
    assert not akin("ir", "is")
    assert near_duplicates("Ludza", "Ludzys nūvods")
    assert not near_duplicates("Amber Bay", "Amber Hill")
    assert names_in("in the towns of old", ("town",))


def test_a_clue_fits_once_leaves_out_what_tells_and_may_begin_with_its_blank():
    page = "Kaut kas cits. 2000 godā kūpā ar Cyblys pogostu īstateja jaunu nūvodu.\n\nCyts pogosts beja vacs i mozs."
    words = Words([page] * 3 + ["kaut kas beja ar pogostu i jaunu nūvodu"] * 3)
    clues = list(clues_for("2000", page.split("\n\n")[0], page, words))
    assert clues[0] == f"{BLANK} godā kūpā ar {GAP} pogostu īstateja jaunu nūvodu."
    assert all(find(clue, page) == ("2000",) for clue in clues)
    hidden = next(iter(clues_for("nūvodu", page.split("\n\n")[0], page, words, ["pogosts"])))
    assert hidden.count("pogost") == 0


def test_every_way_of_filling_the_gaps_counts():
    page = "In it were the big, the small, the old and the new one."
    assert find(f"were {GAP}, the {BLANK}, the {GAP} one", page) == ("small",)
    assert find(f"{CUT} the {BLANK}, {CUT}", page) == ("big", "small")
    assert find(f"{CUT} {BLANK}, the {CUT}", page) == ()


def test_glosses_give_no_clue():
    page = "Sorma (Latvian: sarma; Russian: inej) is a kind of frost that grows on trees in winter."
    assert list(clues_for("Latvian", page, page, Words([page]))) == []


@pytest.fixture
def wiki() -> tuple[Resources, Task]:
    """A chain of three pages, and a question about it whose last clue is as full as can be."""
    names = [n for n in TRAIN_NAMES if split_of(n) is Split.TRAIN][:12]
    pages = []
    for n, (here, there) in enumerate(itertools.pairwise(names)):
        text = f"It lies on a slow river. People often go from here to {there} when the summer is over and the market closes."
        links = (Link(anchor=there, target=f"c/{there}", paragraph=0, relation=""),)
        pages.append(
            Document(id=f"c/{here}", title=here, text=f"{text} The year was odd{n}.", source="", links=links)
        )
    pages.append(
        Document(
            id=f"c/{names[-1]}", title=names[-1], text="The last of them, with nothing to say.", source=""
        )
    )
    graph = Graph(*to_graph(pages, "search"))
    work = Resources(graph, Index.of_graph(graph), Echo())
    return work, next(DOMAIN.propose(graph, order(0, (3,))))


def test_without_a_passage_the_expert_does_not_reach_the_answer(wiki):
    work, task = wiki
    assert verdicts(played((task,), work)) == [True]
    for piece in task.evidence:
        (group,) = played((task,), DOMAIN.without(work, piece.node))  # type: ignore[misc]
        assert group.judged[0].verdict.parts["answer"] == 0.0
        assert (
            DOMAIN.without(work, piece.node).graph.node(piece.node.partition("#")[0]).text.count(piece.text)
            == 0
        )  # type: ignore[misc]
    assert work.graph.node(task.evidence[0].node).text == task.evidence[0].text  # the original is as it was


def test_an_attempt_that_searches_once_finds_what_a_search_tells(wiki):
    work, task = wiki
    tells = replace(task, instruction=f"Who is the {task.evidence[-1].text}", answer=task.answer)
    scripts = list(DOMAIN.lookups(tells))
    assert len(scripts) == 5
    right = []
    for script in scripts:
        (group,) = played((tells,), work, say=lambda _, script=script: script)
        right.append(group.judged[0].verdict.parts["answer"])
    assert 1.0 in right


def test_a_rejected_task_is_repaired_with_a_sound_one_or_not_at_all(wiki):
    work, task = wiki
    region = region_of(work.graph, "search", task.split)
    mended = DOMAIN.repair(task, "2 answers fit the question", work, random.Random(0))  # type: ignore[misc]
    assert mended is None or mended.answer != task.answer
    brief = tasks("mini", Split.TRAIN, 1)[0]
    assert (
        DOMAIN.repair(brief, "the question contains the answer", resources("mini"), random.Random(0)) is None
    )  # type: ignore[misc]
    assert region is region_of(work.graph, "search", task.split)


def test_a_selector_chooses_the_next_page_and_nonsense_leaves_it_to_the_seed(wiki):
    work, _ = wiki
    asked: list[str] = []

    def last(text: str) -> str:
        asked.append(text)
        return "none of them"

    some = list(itertools.islice(propose(work.graph, order(0, (2, 3)), Hops(select=last)), 4))
    plain = list(itertools.islice(propose(work.graph, order(0, (2, 3))), 4))
    assert asked and "1. " in asked[0]  # noqa: PT018
    assert [t.instruction for t in some] == [
        t.instruction for t in plain
    ]  # one link a page: nothing to choose


def test_topic_shift_prefers_pages_of_other_words():
    names = TRAIN_NAMES[:4]
    same, other = "frost water winter river stone", "violin opera singer theatre stage"
    texts = [f"{same} leads to {names[1]} and to {names[2]}", f"{same} again", f"{other} instead", "x" * 30]
    links = [(Link(anchor=names[1], target="c/1", paragraph=0, relation="a"), Link(anchor=names[2], target="c/2", paragraph=0, relation="b")), (), (), ()]  # fmt: skip
    pages = [
        Document(id=f"c/{n}", title=names[n], text=texts[n], source="", links=links[n]) for n in range(4)
    ]
    graph = Graph(*to_graph(pages, "search"))
    plain, shifted = (Region(graph, "search", Split.TRAIN, Hops(shift=shift)) for shift in (0.0, 50.0))
    shifted.words = plain.words = Words([*texts, *["more pages"] * 30])

    def ends(region: Region) -> set[str]:
        return {region.walk("c/0", 1, random.Random(seed))[0].target for seed in range(12)}

    assert ends(plain) == {"c/1", "c/2"}
    assert ends(shifted) == {"c/2"}


def test_a_rewriting_is_kept_only_if_it_leaks_nothing_and_rests_on_the_evidence(wiki):
    work, task = wiki
    words = Words(n.text for n in work.graph.nodes("search", NodeKind.ENTITY))
    good = f"Beginning at {task.setup['start']}, go on as the market closes each time; where do you end up?"
    heard: list[str] = []

    def model(question: str, *, told: bool = True, alone: bool = False, cut: bool = False):
        def ask(text: str) -> str:
            if text.startswith("Rewrite"):
                return question
            full = text.count("\n\n[") >= len(task.evidence)
            knows = alone if "[" not in text.partition("Question:")[0] else told if full else cut
            return f"<answer>{task.answer if knows else 'unknown'}</answer>"

        return rewriter(work.graph, words, ask, heard=heard.append)(task)

    kept = model(good)
    assert kept is not None
    assert (kept.instruction, kept.answer, kept.plan) == (good, task.answer, task.plan)
    assert kept.id != task.id
    assert model(f"{good} Surely {task.answer}.") is None
    assert model("Where do you end up if you go on as the market closes?") is None
    assert model("Short?") is None
    assert model(good, told=False) is None
    assert model(good, alone=True) is None
    assert model(good, cut=True) is None
    assert [why.partition(" is ")[2] for why in heard if " is " in why] == [
        "said", "not named", "not found from the evidence", "known without any evidence",
        "found without the last piece of evidence",
    ]  # fmt: skip


def test_walks_visit_no_page_twice_and_get_out_of_dead_ends():
    chain = [Link(anchor="x", target=f"c/{n}", paragraph=0, relation="next") for n in (1, 2, 3)]
    dead = Link(anchor="x", target="c/0", paragraph=0, relation="next")
    names = [n for n in TRAIN_NAMES if split_of(n) is Split.TRAIN]
    pages = [
        Document(id=f"c/{n}", title=names[n], text="A page with some text.", source="", links=links)
        for n, links in enumerate([(chain[0], chain[1]), (dead,), (chain[2],), (dead,)])
    ]
    region = Region(Graph(*to_graph(pages, "search")), "search", Split.TRAIN)
    walks = [region.walk("c/0", 2, random.Random(seed)) for seed in range(20)]
    assert {tuple(e.target for e in walk) for walk in walks} == {("c/2", "c/3")}
    assert region.walk("c/0", 3, random.Random(0)) == ()


OWN = {
    "Otter": "# Otter\n\nThe otter hunts in the shallow water of the [Moss river](moss.md) when it is dark.",
    "moss": "# Moss river\n\nThe water rises under the old stones of [Grey Top](sub/grey.md), far from any road.",
    "sub/grey": "# Grey Top\n\nIts snow was first measured in winter by [Ida Lund](../ida.md), who lived below it.",
    "ida": "# Ida Lund\n\nShe was born in the harbour quarter of [Stade](stade.md) and left it at nine.",
    "stade": "# Stade\n\nA town whose fish market smells up to the tower of [St Wilhadi](church.md) each morning.",
    "church": "# St Wilhadi\n\nA church. In its crypt sleeps a family of bats, but never any [otter](Otter.md) as some say.",
}


@pytest.fixture
def own(tmp_path) -> Path:
    for name, text in OWN.items():
        path = tmp_path / f"{name}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_users_folder_of_linked_pages_gives_tasks_that_the_expert_solves(own):
    corpus = load(own)
    work = Resources(corpus.graph, corpus.index, Echo())
    some = tuple(t for split in Split for t in DOMAIN.propose(corpus.graph, order(0, split=split)))
    assert len(some) >= 4
    assert verdicts(played(some, work)) == [True] * len(some)
    for task in some:
        assert task.answer not in task.instruction
        assert task.setup["start"] in task.instruction
        assert task.instruction.count(BLANK) == len(task.plan) + 1  # once more where the marks are explained
        assert len(task.plan) == len(task.evidence)
        assert all(Path(e.source).is_file() for e in task.evidence)


def test_relations_that_a_users_links_name_are_asked_by_name_and_shown_by_read_page(own):
    for page in own.rglob("*.md"):
        text = regex.sub(r"\]\((\S+?/|)(\w+)\.md\)", r'](\1\2.md "relation: \2 keeper")', page.read_text())
        page.write_text(text)
    corpus = load(own)
    work = Resources(corpus.graph, corpus.index, Echo())
    some = tuple(t for split in Split for t in DOMAIN.propose(corpus.graph, order(0, split=split)))
    assert some
    assert all("keeper of the" in t.instruction for t in some)
    assert verdicts(played(some, work)) == [True] * len(some)


def test_a_corpus_without_links_or_chains_is_one_clear_error(tmp_path):
    (tmp_path / "a.md").write_text("Text without links.")
    with pytest.raises(CorpusError, match="no links to each other"):
        list(propose_from_corpus(tmp_path, 5))
    (tmp_path / "b.md").write_text("A page that links to its [sister](a.md) and to nothing else.")
    with pytest.raises(CorpusError, match="no chain of 2 or more links"):
        list(propose_from_corpus(tmp_path, 5))
    with pytest.raises(ConfigError, match="from 2 to 5"):
        list(propose_from_corpus(tmp_path, 5, hops=(1,)))


@pytest.mark.skipif(not DUMP.exists(), reason=f"the Latgalian dump is not at {DUMP}")
def test_a_real_dump_gives_multi_hop_tasks_that_the_expert_solves():
    corpus = load(DUMP)
    work = Resources(corpus.graph, corpus.index, Echo())
    some = tuple(itertools.islice(DOMAIN.propose(corpus.graph, order(0)), 60))
    assert len(some) == 60
    assert verdicts(played(some, work)) == [True] * 60
    sound = [t for t in some if not DOMAIN.shortcut(t, work)]
    assert len(sound) >= 1  # most of what is proposed of so small a wiki is repaired or rejected
    for task in sound:
        assert {split_of(name) for name in task.entities} == {Split.TRAIN}
        assert {task.setup["start"], task.answer} <= set(task.entities)
        for piece in task.evidence:
            page = corpus.graph.node(piece.node.rpartition("#")[0])
            assert page.text[piece.start : piece.end] == piece.text
            assert piece.source.startswith("https://ltg.wikipedia.org/wiki/")


def test_evidence_nodes_and_links_of_the_material_are_those_of_the_schema():
    graph = resources("mini").graph
    kinds = {n.kind for n in graph.nodes("search")}
    assert kinds == {NodeKind.ENTITY, NodeKind.EVIDENCE}
    for page in graph.nodes("search", NodeKind.ENTITY)[:50]:
        for edge in graph.out(page.id, EdgeKind.LINKS_TO):
            said = graph.node(edge.data["passage"]).text
            assert said == f"The {edge.label} is {graph.node(edge.target).title}."
