"""Context compaction: earlier steps fold into a digest, a new token segment begins, and both laws of tokens hold over all of it."""

from dataclasses import replace

import msgspec
import pytest
import tiny
from test_last_call import ASK, TOOLS, Looks, forgetful
from towns import TOWNS, graph_of, resources_of

from openhorizon.chat.chat import Chat
from openhorizon.domains.domain import Domain, Resources
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.records import Judged, Limits, Message, Status, ToolCall, Trajectory, Turn
from openhorizon.rollout.batch import play_experts
from openhorizon.rollout.folding import HEAD, digest, steps
from openhorizon.rollout.play import Play
from openhorizon.training.samples import exact_samples, message_samples

LIMITS = Limits(turns=24, tool_calls=99, response_tokens=64, context_tokens=700, folds=9)
HOLDS: Domain = replace(TOWNS, digest=lambda env: f"pages found: {len(env.found)}")


@pytest.fixture(scope="module")
def resources() -> Resources:
    return resources_of(graph_of())


def played(engine, resources, limits: Limits = LIMITS, domain: Domain = HOLDS, **more) -> Trajectory:
    task = msgspec.structs.replace(tiny.tasks()[0], limits=limits)
    play = Play(engine, resources, "full", chat=getattr(engine, "chat", None), **more)
    (group,) = play_experts([task], domain, play)
    assert isinstance(group.judged[0], Judged)
    return group.judged[0].trajectory


def segments(run: Trajectory) -> list[list[Turn]]:
    found: list[list[Turn]] = [[]]
    for turn in run.turns:
        if turn.fresh:
            found.append([])
        found[-1].append(turn)
    return found


@pytest.mark.parametrize("chat", [tiny.chat(), forgetful()], ids=["keeps thoughts", "drops thoughts"])
def test_the_tokens_are_what_the_engine_saw_and_only_what_was_written_is_trained_on(resources, chat: Chat):
    engine = Looks(thought="read the town", chat=chat)
    run = played(engine, resources)
    parts = segments(run)
    assert len(parts) > 2
    assert run.status is Status.TRUNCATED
    assert run.reason == "turn budget spent"
    rows = exact_samples(run)
    assert len(rows) == len(parts)
    requests = iter(engine.requests)
    for row, turns in zip(rows, parts, strict=True):
        ids: tuple[int, ...] = ()
        for turn in turns:
            ids += turn.context_ids
            assert next(requests).token_ids == ids  # law 1, in every segment, turn by turn
            ids += turn.completion.token_ids
        assert row.token_ids == ids
        assert len(ids) <= LIMITS.context_tokens
        written = tuple(i for i, m in zip(ids, row.loss_mask, strict=True) if m)
        assert written == sum((t.completion.token_ids for t in turns), ())  # law 2
    again = message_samples(run, chat, TOOLS)
    assert [(r.token_ids, r.loss_mask) for r in again] == [(r.token_ids, r.loss_mask) for r in rows]


def test_a_new_segment_holds_the_prompt_the_digest_and_the_last_turns_word_for_word(resources):
    engine = Looks()
    run = played(engine, resources)
    at = next(n for n, turn in enumerate(run.turns) if turn.fresh)
    first = run.turns[at]
    told = engine.requests[at].messages
    assert told[0] == run.prompt[0]
    assert told[1].content == f"{run.prompt[1].content}\n\n{first.digest}"
    assert first.digest.startswith(HEAD)
    assert first.digest.endswith("pages found: 0")  # what the environment holds
    folded = at - first.kept
    assert f"{folded}. find(town={folded - 1} 0) -> error: there is no town {folded - 1} 0" in first.digest
    assert first.kept >= 1
    shown = run.turns[at - first.kept : at]
    assert [m for m in told[2:] if m.role == "assistant"] == [t.message for t in shown]
    assert [m.content for m in told[2:] if m.role == "tool"] == [r.text for t in shown for r in t.results]


def test_the_limits_say_how_often_and_without_them_nothing_is_folded(resources):
    for folds in (0, 1, 2):
        run = played(Looks(), resources, msgspec.structs.replace(LIMITS, folds=folds, turns=99))
        assert len(segments(run)) == folds + 1
        assert run.reason in ("context budget spent", "response budget spent")


def test_a_scripted_expert_plays_on_over_a_fold(resources):
    def script(_: str):
        for n in range(30):
            seen = yield Message(
                role="assistant",
                content=f"step {n}",
                calls=(ToolCall(name="find", arguments={"town": f"x{n}"}),),
            )
            assert "there is no town" in seen.results[-1].text
        yield Message(role="assistant", content="the end")

    run = played(ScriptedEngine(script), resources, msgspec.structs.replace(LIMITS, turns=99))
    assert run.status is Status.FINISHED
    assert run.answer == "the end"
    assert len(segments(run)) > 1
    rows = message_samples(run, tiny.chat(), TOOLS)
    wrote = sum(sum(r.loss_mask) for r in rows)
    assert wrote == sum(len(tiny.chat().message_ids(t.message)) for t in run.turns)


def test_a_model_writes_the_digest_from_the_last_one_and_what_came_since(resources):
    asked: list[str] = []

    def ask(text: str) -> str:
        asked.append(text)
        return f"digest number {len(asked)}"

    run = played(Looks(), replace(resources, ask=ask), msgspec.structs.replace(LIMITS, turns=60))
    fresh = [t for t in run.turns if t.fresh]
    assert len(asked) >= len(fresh) > 1
    assert all("digest number" in t.digest and "pages found: 0" in t.digest for t in fresh)
    assert f"digest number {len(asked) - 1}" in asked[-1]
    assert "find(town=0 0)" not in asked[-1]  # stands in the digest before


def test_a_last_call_after_a_fold_takes_back_turns_of_its_own_segment_alone(resources):
    run = played(Looks(), resources, msgspec.structs.replace(LIMITS, turns=20), replace(HOLDS, last_call=ASK))
    assert run.status is Status.FINISHED
    assert "answered when asked" in run.reason
    rows = exact_samples(run)
    assert all(len(r.token_ids) <= LIMITS.context_tokens for r in rows)


def test_budgets_are_told_under_results_and_the_clock_ends_an_attempt(resources):
    now = iter(range(0, 10_000, 4))
    limits = msgspec.structs.replace(LIMITS, folds=0, context_tokens=5000, seconds=100.0)
    run = played(
        Looks(), resources, limits, replace(HOLDS, tells_budget=True), clock=lambda: float(next(now))
    )
    assert (run.status, run.reason) == (Status.TRUNCATED, "time budget spent")
    assert 5 < len(run.turns) < 24
    first, last = run.turns[0].results[-1].text, run.turns[-1].results[-1].text
    assert "[left: 23 messages, 98 calls, about 5K tokens of context, about 1.66667 minutes]" in first
    assert "about 0 minutes]" in last or "about 0.166667 minutes]" in last


def test_a_digest_by_rule_is_bounded_and_keeps_the_newest_steps():
    from openhorizon.records import Completion, ToolResult

    turn = Turn(
        completion=Completion(text="x"), message=Message(role="assistant", content="word " * 500),
        results=(ToolResult(call=ToolCall(name="f", arguments={"a": "b" * 500}), text="y" * 900),), reply="z" * 900,
    )  # fmt: skip
    told = digest((Message(role="user", content="q"),), [turn] * 200, 0, "", "state", None)
    assert len(told) < 7000
    assert "earlier steps left out]" in told
    assert "\n200. " in told
    assert told.endswith("state")
    assert len(steps([turn], 1, 100)[0]) < 500
