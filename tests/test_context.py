"""The token ids of a context: always those of a tuple, whoever extends what; spelled and copied once."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openhorizon.engines.engine import Context, Request

IDS = st.lists(st.integers(0, 9), max_size=6).map(tuple)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("extend"), st.integers(0, 99), IDS),
        st.tuples(st.just("cut"), st.integers(0, 99), st.integers(0, 12)),
        st.tuples(st.just("spell"), st.integers(0, 99), st.none()),
    ),
    max_size=24,
)


@given(IDS, STEPS)
def test_every_context_stays_what_it_was_whatever_is_made_of_it(start, steps):
    made = [(Context(start), start)]
    for what, at, how in steps:
        context, ids = made[at % len(made)]
        if what == "extend":
            made.append((context.extended(how), ids + how))
        elif what == "cut":
            made.append((context.first(how), ids[:how]))
        else:
            assert json.loads(bytes(context.as_json())) == list(ids)
    for context, ids in made:
        assert context == ids
        assert tuple(context) == ids
        assert len(context) == len(ids)
        assert json.loads(bytes(context.as_json())) == list(ids)


@given(IDS, IDS, IDS, st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([-2, -1, 1, 3]))
def test_it_is_read_and_compared_as_a_tuple(head, one, other, start, stop, step):
    a, b = Context(head + one), Context(head).extended(other)
    alike = next((n for n, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    assert a.shared(b) == b.shared(a) == alike
    assert (a == b) == (head + one == head + other)
    assert a[start:stop:step] == (head + one)[start:stop:step]
    for at in range(-len(a), len(a)):
        assert a[at] == (head + one)[at]
    with pytest.raises(IndexError):
        a[len(a)]
    assert Context.of(a) is a


def test_two_that_extend_by_the_same_ids_share_them_and_others_do_not():
    turn = Context((1, 2)).extended((3,))
    engine, rollout = turn.extended((4,)), turn.extended((4, 5))  # an engine holds all but the last
    assert engine == (1, 2, 3, 4)
    assert rollout == (1, 2, 3, 4, 5)
    assert engine._held is rollout._held
    again = turn.extended((9,))
    assert again._held is not turn._held
    assert (again, rollout) == ((1, 2, 3, 9), (1, 2, 3, 4, 5))


def test_a_turn_late_in_a_long_attempt_costs_what_an_early_one_does():
    """Ids are added, spelled and compared with what is cached: 700 each time, to a quarter of a million and over."""
    context, seconds = Context(), []
    for turn in range(400):
        began = time.process_time()
        cached, context = context, context.extended(range(turn, turn + 700))
        assert context.shared(cached) == len(cached)
        context.as_json()
        Request(attempt="a", turn=turn, messages=(), token_ids=context)
        seconds.append(time.process_time() - began)
    assert sum(sorted(seconds[300:])[:50]) < 3 * sum(sorted(seconds[:100])[:50])  # the whole of it: 30 times
