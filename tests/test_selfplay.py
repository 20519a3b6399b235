"""Self-play: each acceptance check rejects what it is for, the game ends with what was asked, copies go."""

import asyncio
import random
import time
from dataclasses import replace
from itertools import islice

import msgspec
import pytest
from towns import TOWNS, graph_of, resources_of, task_about

from openhorizon.domains.domain import Order
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.errors import InfrastructureError, SandboxError, UserError
from openhorizon.records import (
    Completion,
    Evidence,
    Group,
    Judged,
    Message,
    NodeKind,
    Split,
    Status,
    Task,
    ToolCall,
    Trajectory,
    Verdict,
    as_json,
)
from openhorizon.rollout.play import Play
from openhorizon.selfplay.curate import (
    Variety,
    curate,
    distinct_histories,
    distinct_tasks,
    long_enough,
    report,
    without_copies,
)
from openhorizon.selfplay.difficulty import attempted, difficulty, select_mixed
from openhorizon.selfplay.game import disjoint, play

GRAPH = graph_of()
RESOURCES = resources_of(GRAPH)
TRAIN = Order(split=Split.TRAIN, seed=0)


def changed(task: Task, **fields) -> Task:
    return msgspec.structs.replace(task, **fields)


def game(domain=TOWNS, count=1, order=TRAIN, **more):
    return play(domain, GRAPH, order, RESOURCES, count, **more)


def first_rejected(domain=TOWNS, edit=lambda task: task):
    """What the checks say of the first proposal after `edit`; the proposals that follow it are sound."""

    def propose(graph, order):
        stream = TOWNS.propose(graph, order)
        yield edit(next(stream))
        yield from stream

    said = play(replace(domain, propose=propose), GRAPH, TRAIN, RESOURCES, 1).proposals[0].acceptance
    return said.check, said.why


def hopeless(domain) -> str:
    with pytest.raises(UserError) as error:
        game(domain)
    return str(error.value)


def test_sound_proposals_are_accepted_with_their_demonstration():
    outcome = game(count=20)
    assert len(outcome.tasks) == len(outcome.demonstrations) == 20
    assert outcome.reasons == {}
    for task, judged in zip(outcome.tasks, outcome.demonstrations):
        assert judged.trajectory.task == task.id
        assert judged.trajectory.status is Status.FINISHED
        assert judged.trajectory.answer == task.answer
        assert judged.verdict.passed


def test_a_task_without_verifier_is_not_verifiable():
    assert first_rejected(edit=lambda t: changed(t, verifiers=())) == (
        "verifiable",
        "the task has no verifier",
    )


def test_a_verifier_that_passes_silence_is_not_verifiable():
    kind = replace(TOWNS, verify=lambda task, run, env: Verdict(score=1.0, passed=run.answer != "Amber Town"))
    assert "the verifiers pass an attempt that says nothing" in hopeless(kind)


def test_a_verifier_that_raises_or_scores_out_of_range_is_not_verifiable():
    def trips(task, run, env):
        return TOWNS.verify(task, run, env) if run.answer else 1 / 0

    assert "a verifier raised ZeroDivisionError" in hopeless(replace(TOWNS, verify=trips))
    wild = replace(TOWNS, verify=lambda task, run, env: Verdict(score=2.0, passed=False))
    assert "outside 0 to 1" in hopeless(wild)


def test_a_verifier_that_raises_on_the_solvers_attempt_only_is_not_verifiable():
    def trips(task, run, env):
        return TOWNS.verify(task, run, env) if len(run.turns) < 2 else {}["missing"]

    assert "a verifier raised KeyError" in hopeless(replace(TOWNS, verify=trips))


def test_a_task_nobody_solves_is_not_valid():
    check, why = first_rejected(edit=lambda t: changed(t, setup={"town": "Nowhere"}))
    assert check == "valid"
    assert "the solver did not pass" in why


def test_an_expert_that_trips_makes_the_task_not_valid_and_the_game_goes_on():
    said = hopeless(replace(TOWNS, expert=lambda task: iter(())))
    assert "'valid'" in said

    def trips(task):
        yield Message(role="assistant", calls=(ToolCall(name="find", arguments={"town": "x"}),))
        raise ValueError("no such page")

    assert "wrong town" in hopeless(replace(TOWNS, expert=trips))


def test_a_guess_that_passes_is_a_one_shot_task_and_its_attempt_is_kept():
    lucky = replace(TOWNS, guesses=lambda task: (task.answer,))
    with pytest.raises(UserError, match=r"'process_informative' \(200 of 200\).*looked at nothing passed"):
        game(lucky)

    half = replace(lucky, guesses=lambda t: (t.answer,) if t.id.endswith("0") else ("x",))
    rejected = game(half, count=3).rejected[0]
    assert [a.trajectory.policy for a in rejected.attempts if isinstance(a, Judged)] == ["expert", "guess"]


def test_too_few_calls_are_a_one_shot_look_up():
    assert "passed with 2 of at least 3 tool calls" in hopeless(replace(TOWNS, min_calls=3))


def test_evidence_that_was_not_consulted_rejects_and_page_and_passage_cover_each_other():
    other = GRAPH.nodes("towns", NodeKind.ENTITY)[40]

    def with_evidence(*nodes):
        return first_rejected(
            edit=lambda t: changed(t, evidence=tuple(Evidence(node=n, text="", source="") for n in nodes))
        )

    page = game().tasks[0].evidence[0].node.partition("#")[0]
    assert with_evidence(page, f"{page}#0", f"{page}#7") == ("", "")
    assert with_evidence(page, other.id) == (
        "evidence_covering",
        f"the solver passed without consulting {other.id}",
    )


def test_a_passage_read_covers_its_page_but_not_another_passage():
    from openhorizon.selfplay.accept import unread

    run = game().demonstrations[0].trajectory
    page = run.turns[1].results[0].sources[0]
    results = (msgspec.structs.replace(run.turns[1].results[0], sources=(f"{page}#1",)),)
    run = msgspec.structs.replace(run, turns=(msgspec.structs.replace(run.turns[1], results=results),))
    evidence = tuple(Evidence(node=n, text="", source="") for n in (page, f"{page}#1", f"{page}#2"))
    assert unread(evidence, run) == [f"{page}#2"]


def test_an_answer_or_a_shortcut_in_the_question_rejects():
    tells = lambda t: changed(t, instruction=f"{t.instruction} Not\n{t.answer.lower()}?")  # noqa: E731
    assert first_rejected(edit=tells) == ("unambiguous", "the instruction tells the answer")
    inside = lambda t: changed(t, instruction=f"{t.instruction} Not {t.answer}ham?")  # noqa: E731
    assert first_rejected(edit=inside) == ("", "")
    short = replace(
        TOWNS, shortcut=lambda task, resources: "one page says it all" if task.id.endswith("/0") else ""
    )
    assert first_rejected(short) == ("unambiguous", "one page says it all")


def test_duplicates_are_rejected_before_they_are_played():
    def twice(graph, order):
        for number, task in enumerate(TOWNS.propose(graph, order)):
            yield task
            yield changed(task, id=f"{task.id}/again", instruction=f" {task.instruction.upper()}")
            yield changed(task, instruction=f"{number} {task.instruction}")

    outcome = game(replace(TOWNS, propose=twice), count=5)
    assert outcome.reasons == {"unambiguous": 8}
    assert all(not p.attempts for p in outcome.rejected)
    known = [t.instruction for t in game(count=5).tasks]
    assert not {t.instruction for t in game(count=5, known=known).tasks} & set(known)


def test_names_of_the_other_split_are_rejected():
    def swap(task):
        return changed(task, split=Split.HELDOUT)

    assert first_rejected(edit=swap)[0] == "split"


def test_a_domain_without_tools_shows_its_evidence_in_the_question():
    def tell(task):
        text = task.evidence[0].text
        return changed(task, instruction=f"{text}\n{task.instruction}", setup={"text": text})

    def recite(task):
        yield Message(
            role="assistant", content=task.setup["text"].removesuffix(".").partition("sister is ")[2]
        )

    def propose(graph, order):
        stream = TOWNS.propose(graph, order)
        first = tell(next(stream))
        yield changed(first, instruction=first.instruction.replace("sister is", "sister was"))
        yield from map(tell, stream)

    plain = replace(TOWNS, tools=(), propose=propose, expert=recite, guesses=lambda task: ("Amber Town",))
    outcome = game(plain, count=3)
    assert outcome.reasons == {"evidence_covering": 1}


def test_the_same_game_gives_the_same_bytes_whatever_the_batch():
    def some(graph, order):
        for number, task in enumerate(TOWNS.propose(graph, order)):
            yield changed(task, verifiers=()) if number % 3 == 0 else task

    domain = replace(TOWNS, propose=some)
    runs = [game(domain, count=20, batch=batch) for batch in (1, 7, 64, 64)]
    assert len({b"".join(as_json(p) for p in run.proposals) for run in runs}) == 1
    assert runs[0].reasons == {"verifiable": 10}
    assert [as_json(n) for n in runs[0].written()[0]] == [as_json(n) for n in runs[1].written()[0]]


def test_a_proposer_that_ends_is_told_from_one_that_is_hopeless():
    ends = replace(TOWNS, propose=lambda graph, order: islice(TOWNS.propose(graph, order), 4))
    with pytest.raises(
        UserError, match=r"accepted 4 of the 9 tasks asked for, out of 4 proposals; the proposer has no more"
    ):
        game(ends, count=9)
    assert "accepted 0 of the 1 tasks asked for, out of 200 proposals; most rejections" in hopeless(
        replace(TOWNS, min_calls=9)
    )


def test_a_broken_sandbox_is_not_the_tasks_fault():
    def breaks(task, resources):
        raise SandboxError("the sandbox is gone")

    with pytest.raises(InfrastructureError, match="the sandbox is gone"):
        game(replace(TOWNS, open=breaks))
    assert game(failing_first(2), count=4).reasons == {}  # an attempt is played up to three times
    assert game(failing_first(3), count=4).reasons == {"aborted": 1}


def failing_first(times: int):
    """Towns whose sandbox breaks the first `times` times."""
    opened = iter(range(10_000))

    def breaks(task, resources):
        if next(opened) < times:
            raise SandboxError("busy")
        return TOWNS.open(task, resources)

    return replace(TOWNS, open=breaks)


def test_any_engine_can_be_the_solver_and_its_failures_reject():
    class Half:
        """Right on even tasks, after looking; silent on odd ones."""

        policy, exact = "half@7", False

        def __init__(self):
            self.script = ScriptedEngine(lambda name: TOWNS.expert(tasks[name.rpartition("@half@7/")[0]]))

        async def complete(self, request):
            await asyncio.sleep(0)
            odd = int(request.attempt.rpartition("@half@7/")[0].rpartition("/")[2]) % 2
            return Completion(text="no idea") if odd else await self.script.complete(request)

        def forget(self, attempt):
            self.script.forget(attempt)

    tasks = {t.id: t for t in islice(TOWNS.propose(GRAPH, TRAIN), 30)}
    outcome = game(count=10, solver=Play(engine=Half(), resources=RESOURCES), attempts=2)
    assert outcome.reasons == {"valid": 9}
    assert all(len(p.attempts) == 2 for p in outcome.proposals)
    assert outcome.demonstrations[0].trajectory.policy == "half@7"


def test_disjoint_names_what_both_splits_speak_of():
    train, held = game(count=30).tasks, game(count=15, order=Order(split=Split.HELDOUT, seed=0)).tasks
    assert disjoint(train, held) == ()
    page = GRAPH.nodes("towns", NodeKind.ENTITY)[0]
    stray = task_about(page, Split.TRAIN, f"Is it near {held[3].entities[0]}'s gate?", "towns/train/stray")
    assert disjoint((*train, stray), held) == (held[3].entities[0],)
    number = changed(stray, instruction="x", entities=("speed 37",))
    assert (
        disjoint(
            [changed(stray, instruction="at speed 3.7 or speed 370")],
            [changed(number, entities=("speed 3",))],
        )
        == ()
    )
    assert disjoint([number], [number]) == ("speed 37",)


def test_self_play_costs_little_beyond_the_domain():
    start = time.process_time()
    outcome = game(count=300)
    each = (time.process_time() - start) / len(outcome.tasks)
    assert each < 0.005, f"{each * 1000:.1f} ms an accepted task"


def test_near_copies_go_and_the_filter_says_which():
    words = " ".join(f"w{i}" for i in range(60))
    texts = [words, f"{words} tail", words.upper(), " ".join(reversed(words.split())), "short", "Short."]
    kept = without_copies(texts, lambda t: t, lambda t: f"text {texts.index(t)}")
    assert kept.kept == (texts[0], texts[3], "short")
    assert [(r.id, r.why) for r in kept.removed] == [
        ("text 1", "near-copy of text 0"),
        ("text 2", "near-copy of text 0"),
        ("text 5", "near-copy of text 4"),
    ]


def test_copies_just_above_the_threshold_are_found_and_just_below_are_not():
    draw = random.Random(0)
    texts = []
    for _ in range(150):
        base = [f"w{draw.randrange(10**6)}" for _ in range(102)]
        near, far = base[:], base[:]
        near[-1] = near[-2] = "x"  # 98 of 102 shingles in common: 0.96
        far[20] = far[50] = far[80] = "x"  # 91 of 109: 0.83
        texts += [(base, "base"), (near, "near"), (far, "far")]
    kept = without_copies(texts, lambda t: " ".join(t[0]), lambda t: t[1])
    assert [r.id for r in kept.removed] == ["near"] * 150


def test_tasks_and_histories_are_curated():
    outcome = game(count=6)
    again = [changed(t, id=f"{t.id}/again", instruction=f"{t.instruction} ") for t in outcome.tasks]
    assert distinct_tasks([*outcome.tasks, *again]).kept == outcome.tasks
    assert len(distinct_histories([*outcome.demonstrations, *outcome.demonstrations]).kept) == 6
    short = long_enough(outcome.demonstrations, calls=3)
    assert short.kept == ()
    assert short.removed[0].why == "2 of at least 3 tool calls"
    assert long_enough(outcome.demonstrations, calls=2).removed == ()
    pairs = list(zip(outcome.tasks, outcome.demonstrations))
    copies = [(t, msgspec.structs.replace(j, trajectory=renamed(j.trajectory))) for t, j in pairs[:2]]
    kept, removed = curate(TOWNS, pairs + copies)
    assert kept == pairs
    assert {name: len(gone) for name, gone in removed.items()} == {
        "too short": 0,
        "guessed": 0,
        "near-copy": 2,
    }
    kept, removed = curate(replace(TOWNS, min_calls=3), pairs)
    assert kept == []
    said = report(removed, examples=1)
    assert said["too short"] == {
        "removed": 6, "examples": [{"id": pairs[0][1].trajectory.id, "why": "2 of at least 3 tool calls"}],
    }  # fmt: skip


def test_guesses_and_told_answers_are_curated_away():
    outcome = game(count=3)
    pairs = list(zip(outcome.tasks, outcome.demonstrations))
    task, judged = pairs[0]
    run = judged.trajectory
    blind = tuple(
        msgspec.structs.replace(
            turn, results=tuple(msgspec.structs.replace(r, sources=()) for r in turn.results)
        )
        for turn in run.turns
    )
    guess = msgspec.structs.replace(judged, trajectory=msgspec.structs.replace(run, turns=blind))
    kept, removed = curate(TOWNS, [(task, guess), *pairs[1:]])
    assert kept == pairs[1:]
    assert [r.why for r in removed["guessed"]] == [f"answered without having read {task.evidence[0].node}"]
    prompt = (*run.prompt, Message(role="user", content=f"Hint: {task.answer.upper()}"))
    told = msgspec.structs.replace(judged, trajectory=msgspec.structs.replace(run, prompt=prompt))
    first = run.turns[0]
    seen = msgspec.structs.replace(first.results[0], text=f"see {task.answer}")
    early = (msgspec.structs.replace(first, results=(seen,)), *run.turns[1:])
    shown = msgspec.structs.replace(judged, trajectory=msgspec.structs.replace(run, id="early", turns=early))
    kept, removed = curate(TOWNS, [(task, told), (task, shown), *pairs[1:]], leaks=True)
    assert kept == pairs[1:]
    assert [r.why for r in removed["answer told"]] == [
        "the prompt tells the answer", "an observation before any reading tells the answer",
    ]  # fmt: skip


FULL = Order(split=Split.TRAIN, seed=0, size="full")


def test_an_attempt_that_looks_once_and_is_right_makes_a_look_up():
    def lookups(task):
        yield TOWNS.expert(task)

    said = [game(replace(TOWNS, lookups=lookups), order=o, partial=True) for o in (TRAIN,)]
    assert said[0].reasons == {}  # at mini size they are not played
    with pytest.raises(
        UserError, match=r"'process_informative' \(200 of 200\).*searched once and answered was right"
    ):
        game(replace(TOWNS, lookups=lookups), order=FULL)


def test_evidence_that_is_not_needed_is_found_by_taking_it_away():
    with pytest.raises(UserError, match=r"'evidence_covering'.*is reached without towns/"):
        game(replace(TOWNS, without=lambda resources, node: resources), order=FULL)
    empty = resources_of(graph_of(99))
    assert game(replace(TOWNS, without=lambda resources, node: empty), order=FULL).reasons == {}


def test_rejected_tasks_are_repaired_a_few_times_and_counted():
    broken = replace(TOWNS, propose=lambda g, o: (changed(t, verifiers=()) for t in TOWNS.propose(g, o)))

    def repair(task, why, resources, rng):
        assert why == "the task has no verifier"
        tried = task.id.count("+")
        sound = next(t for t in TOWNS.propose(GRAPH, TRAIN) if t.setup == task.setup)
        fields = {"id": f"{task.id}+", "instruction": f"{task.instruction} Again {tried}."}
        return changed(sound if tried == 2 else task, **fields)

    outcome = game(replace(broken, repair=repair), count=3)
    assert outcome.repaired == len(outcome.tasks) == 3
    assert outcome.reasons == {"verifiable": 9}
    assert outcome.whys == {"verifiable: the task has no verifier": 9}
    assert [p.mends for p in outcome.proposals[:4]] == ["", *(p.task.id for p in outcome.proposals[:3])]
    assert {one.task.id for one in outcome.written()} >= {p.task.id for p in outcome.proposals}
    never = replace(broken, repair=lambda task, why, resources, rng: None)
    assert "accepted 0 of the 1 tasks" in hopeless(never)


def test_a_rewriting_takes_the_tasks_place_if_the_checks_let_it():
    def better(task):
        return changed(task, id=f"{task.id}/said", instruction=f"Tell me: {task.instruction}")

    outcome = game(count=3, rewrite=better)
    assert [t.id.rpartition("/")[2] for t in outcome.tasks] == ["said"] * 3
    telling = game(count=3, rewrite=lambda t: changed(better(t), instruction=f"{t.instruction} {t.answer}?"))
    assert telling.tasks == game(count=3).tasks


def test_accepted_tasks_stay_different():
    def same_twice(graph, order):
        for task in TOWNS.propose(graph, order):
            yield task
            yield changed(task, id=f"{task.id}/b", instruction=f"And now: {task.instruction}")

    outcome = game(replace(TOWNS, propose=same_twice), count=4, variety=Variety(per_answer=1))
    assert outcome.reasons == {"varied": 3}
    assert len({t.answer for t in outcome.tasks}) == 4


def test_difficulty_is_a_rate_with_its_interval_and_mixed_groups_are_kept():
    tasks, demos = game(count=3).tasks, game(count=3).demonstrations
    wrong = [msgspec.structs.replace(d, verdict=Verdict(score=0.0, passed=False)) for d in demos]
    mixed = Group(task=tasks[0], judged=(demos[0], wrong[0], wrong[0], wrong[0]))
    right, failed, none = (
        Group(task=t, judged=j) for t, j in zip(tasks, ((demos[0],) * 4, (wrong[1],) * 4, ()))
    )
    kept = select_mixed([right, mixed, failed, none])
    assert kept.kept == (mixed,)
    assert [r.why for r in kept.removed] == [
        "all right, of 4 attempts", "all wrong, of 4 attempts", "none judged, of 0 attempts",
    ]  # fmt: skip
    found = difficulty(mixed)
    assert (found.attempts, found.passed, found.rate) == (4, 1, 0.25)
    assert 0 < found.low < 0.25 < found.high < 1
    by_id = {t.id: t for t in tasks}
    engine = ScriptedEngine(lambda name: TOWNS.expert(by_id[name.rpartition("@")[0]]))
    groups = attempted(TOWNS, tasks, Play(engine=engine, resources=RESOURCES), 2)
    assert [difficulty(g).passed for g in groups] == [2, 2, 2]


def renamed(run: Trajectory) -> Trajectory:
    return msgspec.structs.replace(run, id=f"{run.id}/again")
