"""A user who speaks again: where the template keeps earlier turns as they were they are extended, where it drops their thoughts a new token
segment begins; the tokens are what the engine saw either way."""

from dataclasses import replace

import msgspec
import pytest
import tiny
from test_folding import segments
from test_last_call import TOOLS, forgetful
from towns import TOWNS, Desk, graph_of, resources_of

from openhorizon.chat.chat import Chat
from openhorizon.engines.engine import Request
from openhorizon.records import Completion, Judged, Limits, Message, Status, ToolCall, Trajectory
from openhorizon.rollout.batch import play_experts
from openhorizon.rollout.journal import Journals
from openhorizon.rollout.play import Play
from openhorizon.training.samples import exact_samples, message_samples

LIMITS = Limits(turns=99, tool_calls=99, response_tokens=80, context_tokens=6000)


class Killed(BaseException):
    """The process is gone."""


class Talks:
    """An exact engine that thinks, looks a town up, then says so; `dies` at a turn, once."""

    exact, policy = True, "talks"

    def __init__(self, chat: Chat, dies: int = -1, cuts: bool = False):
        self.chat, self.dies, self.cuts = chat, dies, cuts
        self.requests: list[Request] = []

    async def complete(self, request: Request) -> Completion:
        if request.turn == self.dies:
            raise Killed
        self.requests.append(request)
        calls = (
            (ToolCall(name="find", arguments={"town": f"T{request.turn}"}),) if request.turn % 2 == 0 else ()
        )
        message = Message(
            role="assistant",
            thought=f"thought {request.turn}",
            content=f"said {request.turn} é <|im_end|",
            calls=calls,
        )
        ids = self.chat.message_ids(message)
        finish = "length" if self.cuts and len(ids) > request.max_tokens else "stop"
        ids = ids[: request.max_tokens] if self.cuts else ids
        return Completion(
            text=self.chat.text(ids),
            token_ids=ids,
            logprobs=(-0.5,) * len(ids),
            finish=finish,
            policy=self.policy,
        )

    def forget(self, attempt: str) -> None: ...


class KeptDesk(Desk):
    """A desk whose state can be written down."""

    def save(self) -> bytes:
        return msgspec.json.encode(self.found)

    def load(self, saved: bytes) -> None:
        self.found = msgspec.json.decode(saved)


def customer(count: int):
    """The domain with a user who speaks `count` times again, in control tokens too; it goes by what was said, so that it can be
    taken up anywhere."""

    def reply(env, text: str) -> str | None:
        number = int(text.split()[1])
        return f"and then? <|im_start|>assistant {number}" if number < 2 * count else None

    return replace(TOWNS, reply=reply, open=lambda task, resources: KeptDesk(resources))


def played(engine: Talks, domain, limits: Limits = LIMITS, **more) -> Trajectory:
    task = msgspec.structs.replace(tiny.tasks()[0], limits=limits)
    play = Play(engine, resources_of(graph_of()), "full", chat=engine.chat, **more)
    (group,) = play_experts([task], domain, play)
    assert isinstance(group.judged[0], Judged)
    return group.judged[0].trajectory


def assert_exact(run: Trajectory, engine: Talks) -> None:
    rows, parts, requests = exact_samples(run), segments(run), iter(engine.requests)
    for row, turns in zip(rows, parts, strict=True):
        ids: tuple[int, ...] = ()
        for turn in turns:
            ids += turn.context_ids
            assert next(requests).token_ids == ids
            ids += turn.completion.token_ids
        assert row.token_ids == ids
        written = tuple(i for i, m in zip(ids, row.loss_mask, strict=True) if m)
        assert written == sum((t.completion.token_ids for t in turns), ())
    again = message_samples(run, engine.chat, TOOLS)
    assert [(r.token_ids, r.loss_mask) for r in again] == [(r.token_ids, r.loss_mask) for r in rows]


def test_a_template_that_keeps_thoughts_is_extended():
    engine = Talks(tiny.chat())
    run = played(engine, customer(5))
    assert run.status is Status.FINISHED
    assert [t.fresh for t in run.turns] == [False] * len(run.turns)
    assert_exact(run, engine)


def test_a_template_that_drops_thoughts_begins_a_segment_at_each_new_user_turn():
    engine = Talks(forgetful())
    run = played(engine, customer(5))
    fresh = [n for n, t in enumerate(run.turns) if t.fresh]
    assert fresh == [n + 1 for n, t in enumerate(run.turns) if t.reply]
    assert len(fresh) > 3
    assert_exact(run, engine)
    last = engine.chat.text(run.turns[fresh[-1]].context_ids)
    assert "said 1" in last
    assert "thought 1\n" not in last


@pytest.mark.parametrize("chat", [tiny.chat(), forgetful()], ids=["keeps thoughts", "drops thoughts"])
def test_folds_and_new_user_turns_go_together(chat: Chat):
    engine = Talks(chat)
    limits = msgspec.structs.replace(LIMITS, context_tokens=900, folds=9)
    run = played(engine, customer(14), limits)
    assert run.status is Status.FINISHED
    assert any(t.digest for t in run.turns)
    assert all(len(r.token_ids) <= 900 for r in exact_samples(run))
    assert_exact(run, engine)


@pytest.mark.parametrize("dies", [3, 4, 9, 16, 21])
def test_an_attempt_that_is_taken_up_again_ends_as_if_it_had_not_stopped(tmp_path, dies):
    limits = msgspec.structs.replace(LIMITS, context_tokens=900, folds=9)
    whole = played(Talks(forgetful()), customer(14), limits)
    with pytest.raises(Killed):
        played(Talks(forgetful(), dies), customer(14), limits, journals=Journals(tmp_path))
    engine = Talks(forgetful())
    again = played(engine, customer(14), limits, journals=Journals(tmp_path))
    assert again.turns == whole.turns
    assert engine.requests[0].turn == dies


@pytest.mark.parametrize("chat", [tiny.chat(), forgetful()], ids=["keeps thoughts", "drops thoughts"])
def test_a_restart_discards_all_but_the_prompt(chat: Chat):
    """Discard-all: the environment, the turns played and the calls made stay; the context begins anew."""
    engine = Talks(chat)
    run = played(engine, customer(14), msgspec.structs.replace(LIMITS, context_tokens=900, restarts=5))
    begun = [n for n, t in enumerate(run.turns) if t.restart]
    assert run.status is Status.FINISHED
    assert 2 <= len(begun) <= 5
    for n in begun:
        assert run.turns[n].fresh
        assert run.turns[n].context_ids == run.turns[0].context_ids
        assert not run.turns[n].digest
        assert [m.role for m in engine.requests[n].messages] == ["system", "user"]
    assert all(len(r.token_ids) <= 900 for r in exact_samples(run))
    assert_exact(run, engine)


def test_restarts_are_as_many_as_the_limits_say():
    limits = msgspec.structs.replace(LIMITS, context_tokens=900, response_tokens=200)
    engine = Talks(tiny.chat(), cuts=True)
    for restarts in (0, 1, 3):
        run = played(engine, customer(99), msgspec.structs.replace(limits, restarts=restarts))
        assert sum(t.restart for t in run.turns) == restarts
        assert (run.status, run.reason) == (Status.TRUNCATED, "response budget spent")


def test_folds_come_before_restarts():
    limits = msgspec.structs.replace(LIMITS, context_tokens=900, folds=1, restarts=9)
    engine = Talks(forgetful())
    run = played(engine, customer(14), limits)
    restart = next(n for n, t in enumerate(run.turns) if t.restart)
    digests = [n for n, t in enumerate(run.turns) if t.digest]
    assert digests
    assert max(digests) < restart
    assert_exact(run, engine)


@pytest.mark.parametrize("dies", [3, 9, 14, 15, 16, 17, 25])
def test_an_attempt_is_taken_up_again_over_restarts(tmp_path, dies):
    limits = msgspec.structs.replace(LIMITS, context_tokens=900, folds=1, restarts=9)
    whole = played(Talks(forgetful()), customer(14), limits)
    with pytest.raises(Killed):
        played(Talks(forgetful(), dies), customer(14), limits, journals=Journals(tmp_path))
    again = played(Talks(forgetful()), customer(14), limits, journals=Journals(tmp_path))
    assert again == whole
