"""The agentic domain at full size: declared effects are real, tasks stand their screening, verifiers see what is wrong."""

import asyncio
import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import pytest

from openhorizon.domains import DOMAINS
from openhorizon.domains.agentic.case import Goal
from openhorizon.domains.agentic.full import FULL, SPOKEN
from openhorizon.domains.agentic.judge import OUTCOME, told
from openhorizon.domains.agentic.screen import Unsound, screened
from openhorizon.domains.agentic.services import ACTIONS, BY_NAME, POLICY, SERVICES, world
from openhorizon.domains.agentic.services.action import EffectError, action, need, sets
from openhorizon.domains.agentic.services.database import Database
from openhorizon.domains.agentic.solver import flat
from openhorizon.domains.agentic.synthesis import SHAPES
from openhorizon.domains.agentic.toolgraph import dependencies, edges, nodes, path
from openhorizon.domains.agentic.wishes import WISHES
from openhorizon.domains.domain import Order, Seen
from openhorizon.domains.names import split_of
from openhorizon.domains.plain import no_resources
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.errors import InfrastructureError, ToolError
from openhorizon.graph.graph import Graph
from openhorizon.records import (
    Edge,
    EdgeKind,
    Judged,
    Message,
    Node,
    Split,
    Status,
    Task,
    ToolCall,
    as_json,
    from_json,
)
from openhorizon.rollout.attempt import attempt
from openhorizon.rollout.play import Play

RESOURCES = no_resources()


@lru_cache
def tasks(split: Split = Split.TRAIN, n: int = 100) -> tuple[Task, ...]:
    order = Order(split=split, seed=5, size="full")
    return tuple(itertools.islice(FULL.propose(Graph(), order), n))


def goal(task: Task) -> Goal:
    return from_json(task.private["goal"], Goal)


def played(task: Task, script):
    said = asyncio.run(attempt(task, FULL, Play(ScriptedEngine(lambda _: script), RESOURCES, "full")))
    assert isinstance(said, Judged), said
    return said


def first(predicate) -> Task:
    more = FULL.propose(Graph(), Order(split=Split.TRAIN, seed=6, size="full", levels=(1, 2)))
    return next(t for t in itertools.chain(tasks(), more) if predicate(goal(t)))


def granted(g: Goal) -> bool:
    return len(g.requests) == 1 and not g.requests[0].refused and not any(f.missing for f in g.facts)


def refused(g: Goal) -> bool:
    return len(g.requests) == 1 and g.requests[0].refused in WISHES[g.requests[0].wish].reasons


def edited(script, change):
    """The script, with each message changed by `change(message)`: a list of messages."""
    seen = None
    while True:
        try:
            message = next(script) if seen is None else script.send(seen)
        except StopIteration:
            return
        results, reply = (), ""
        for one in change(message):
            got = yield one
            results, reply = (*results, *got.results), reply or got.reply
        seen = Seen(results=results, reply=reply)


def ask(name, **arguments):
    return Message(role="assistant", content="", calls=(ToolCall(name=name, arguments=arguments),))


# --- tools -----------------------------------------------------------------------------------------------------------------


SOME = {  # arguments that no row is needed for
    "new_address": "1 Some Road", "new_bags": 3, "new_fare": "flex", "new_data": 4, "credit": 3, "amount": 5, "refund": 1,
    "roaming": "on", "network_mode": "2g", "fault": "no data", "product": "desk lamp", "origin": "", "destination": "",
}  # fmt: skip


def arguments_of(a, db):
    """A call that can be made: searched over the rows that the tool's needs allow."""
    keyed = {n.argument for n in a.needs}
    options = {}
    for n in a.needs:
        key = n.argument.removeprefix("new_")
        where = f"WHERE {n.column} IN ({', '.join('?' * len(n.values))})" if n.column else ""
        found = [r[key] for r in db.all(f"SELECT {key} FROM {n.table} {where}", *n.values)]
        options[n.argument] = [x for x in found if x in options.get(n.argument, found)]
    free = {t: SOME[t] for t in a.takes if t not in keyed and t in SOME}
    for values in itertools.product(*(options[k][:400] for k in sorted(keyed))):
        arguments = {**free, **dict(zip(sorted(keyed), values))}
        if a.name in ("swap_item", "exchange_item"):
            new = db.one(
                "SELECT v.variant_id AS v FROM items JOIN variants AS o USING (variant_id) JOIN variants AS v USING (product_id) "
                "WHERE item_id = ? AND v.stock > 0 AND v.variant_id != o.variant_id", arguments["item_id"])  # fmt: skip
            arguments["new_variant_id"] = (new or {"v": "-"})["v"]
        if a.name == "change_flight":
            new = db.one(
                "SELECT n.flight_id AS f FROM bookings JOIN flights AS o USING (flight_id) JOIN flights AS n USING (origin, "
                "destination) WHERE booking_id = ? AND n.seats > 0 AND n.flight_status = 'scheduled' AND n.flight_id != "
                "o.flight_id", arguments["booking_id"])  # fmt: skip
            arguments["new_flight_id"] = (new or {"f": "-"})["f"]
        if a.name == "choose_seat":
            arguments["new_seat"] = "29F"
        if a.name == "search_flights":
            arguments |= db.one("SELECT origin, destination FROM flights") or {}
        if a.name.startswith("find_") and a.name != "find_product":
            table = {
                "find_shopper": "shoppers",
                "find_traveller": "travellers",
                "find_subscriber": "subscribers",
            }
            arguments = db.one(f"SELECT {', '.join(a.takes)} FROM {table[a.name]}") or {}
        yield arguments


def prepared(a):
    """A fresh database in which a call of the tool can be made."""
    db = Database(world(Split.TRAIN, 0))
    if a.name == "pay_refund":
        item: Any = db.one(
            "SELECT item_id FROM items JOIN orders USING (order_id) WHERE order_status = 'delivered'"
        )
        run(BY_NAME["open_return"], db, {"item_id": item["item_id"]})
    some = db.all("SELECT booking_id FROM bookings")
    if a.name == "pay_fare_refund":
        run(BY_NAME["cancel_booking"], db, some[0])
    if a.name == "list_vouchers":
        for booking in some:
            run(BY_NAME["grant_voucher"], db, {**booking, "amount": 50})
    return db


def run(a, db, arguments):
    return a.tool.function(SimpleNamespace(db=db, policy={}), **arguments)


SERVED = [a for a in ACTIONS if a.service]


@pytest.mark.parametrize("a", SERVED, ids=lambda a: a.name)
def test_what_a_tool_declares_is_what_it_does(a):
    """Effects = changes of the database, gives = fields of the output; seen by the triggers, not by the tool's own check."""
    db = prepared(a)
    for arguments in itertools.islice(arguments_of(a, db), 3000):
        mark = db.mark()
        try:
            out = run(a, db, arguments)
        except ToolError:
            assert db.mark() == mark, "a refused call left something behind"
            continue
        seen = {(c.table, c.column) for c in db.since(mark)}
        declared = {(e.table, e.column) for e in a.effects}
        assert seen <= declared
        for change in db.since(mark):
            effect = next(e for e in a.effects if (e.table, e.column) == (change.table, change.column))
            if effect.value is not None and change.column:
                value = effect.value
                value = arguments[value[1:]] if str(value).startswith("$") else value
                assert change.new == value
        data = json.loads(out.text)
        rows = data if isinstance(data, list) else [data]
        shown = {k for row in rows for k in row} | {k for row in flat(data) for k in row}
        assert shown == {*a.gives}
        if seen == declared:
            return
    pytest.fail("no call had all the declared effects")


def test_a_tool_that_does_more_or_less_than_it_declares_is_stopped_and_leaves_nothing():
    def broken(effects):
        @action(
            "retail", gives="order_id", reads="orders", needs=(need("orders", "order_id"),), effects=effects
        )
        def spoil(db, order_id: str):
            """Spoil."""
            db.write("UPDATE orders SET address = 'x' WHERE order_id = ?", order_id)
            return {"order_id": order_id}

        return spoil

    db = Database(world(Split.TRAIN, 0))
    order = db.one("SELECT order_id FROM orders")
    before = db.state()
    for effects in (
        (),
        (sets("orders", "address", "y"),),
        (sets("orders", "address", "x"), sets("orders", "order_status", always=True)),
    ):
        with pytest.raises(EffectError):
            run(broken(effects), db, order)
        assert db.state() == before
    run(broken((sets("orders", "address", "x"),)), db, order)
    assert db.state() != before


BAD = (
    ("get_order", {"order_id": "O1"}, "no order_id O1"),
    ("get_order", {}, "needs the argument order_id"),
    ("get_order", {"order": "O1"}, "has no argument order; it takes order_id"),
    ("find_shopper", {"shopper_name": "A", "postcode": "B"}, "no shopper of this name"),
    ("set_roaming", {"line_id": "L1", "roaming": "maybe"}, "one of on, off"),
    ("read_policy", {"service": "retail", "topic": "gifts"}, "the topics of retail are"),
    ("search_flights", {"origin": "Oslo", "destination": "Mars"}, "cities: Lisbon"),
    ("get_order", {"order_id": "'; DROP TABLE orders; --"}, "there is no order_id"),
)


@pytest.mark.parametrize(("name", "arguments", "text"), BAD)
def test_a_bad_call_is_answered_with_what_to_do(name, arguments, text):
    env = FULL.open(tasks()[0], RESOURCES)
    before = env.db.state()
    result = FULL.call(env, ToolCall(name=name, arguments=arguments))
    assert not result.ok
    assert text in result.text
    assert env.db.state() == before


# --- tool graph ------------------------------------------------------------------------------------------------------------


def test_the_tool_graph_has_every_kind_of_edge_and_stands_in_the_graph_of_the_run():
    assert len(ACTIONS) >= 40
    assert all(sum(a.service == s.ACTIONS[0].service for a in ACTIONS) >= 14 for s in SERVICES)
    assert {e.kind for e in edges()} == {"schema", "effect", "resource", "check"}
    has = {(e.source, e.kind, e.target) for e in edges()}
    assert ("find_shopper", "schema", "list_orders") in has
    assert ("open_return", "schema", "pay_refund") in has
    assert ("cancel_booking", "effect", "pay_fare_refund") in has
    assert ("resume_line", "effect", "change_plan") in has
    assert (
        "cancel_booking",
        "effect",
        "change_flight",
    ) not in has  # it sets another status than that one needs
    assert ("cancel_order", "check", "get_order") in has
    made = list(nodes())
    ids = {n.id for n in made if isinstance(n, Node)}
    assert all(e.source in ids and e.target in ids for e in made if isinstance(e, Edge))
    assert {e.kind for e in made if isinstance(e, Edge)} >= {
        EdgeKind.PRODUCES,
        EdgeKind.NEXT,
        EdgeKind.VERIFIES,
    }


def test_edges_come_from_the_declarations():
    kept = [BY_NAME["find_shopper"], replace(BY_NAME["list_orders"], takes=("something",))]
    assert not [e for e in dependencies(kept) if e.kind == "schema"]


def test_paths_have_their_arguments_before_they_are_needed():
    for wish in WISHES.values():
        customer = {"retail": "shopper_id", "airline": "traveller_id", "telecom": "subscriber_id"}[
            wish.service
        ]
        known = {customer, *wish.asks}
        for name in path(known, wish.reads, wish.service):
            assert {*BY_NAME[name].takes} <= known
            known |= {*BY_NAME[name].types}
        assert {*wish.reads} <= known
    with pytest.raises(ValueError, match="gives tier"):
        path((), ("tier",), "retail")


# --- tasks -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", Split)
def test_the_expert_passes_every_part_from_the_public_task(split):
    kinds = Counter()
    some = tasks(split, 100 if split is Split.TRAIN else 40)
    for task in some:
        judged = played(task, FULL.expert(task.public()))
        assert judged.verdict.passed, (task.id, judged.verdict.why)
        assert set(judged.verdict.parts.values()) == {1.0}, (task.id, judged.verdict.parts)
        consulted = {s for turn in judged.trajectory.turns for r in turn.results for s in r.sources}
        assert {e.node for e in task.evidence} <= consulted
        kinds[len([c for turn in judged.trajectory.turns for c in turn.message.calls])] += 1
        assert all(split_of(e) is split for e in task.entities)
    assert min(kinds) >= 2
    if split is Split.TRAIN:
        assert max(kinds) >= 15
        assert {t.private["shape"] for t in some} == {s for shapes in SHAPES.values() for s in shapes}


def test_the_hidden_path_stays_hidden_and_leads_through_connected_tools():
    for task in tasks()[:40]:
        assert not task.public().private
        public = str(task.public().setup) + str(task.plan)
        assert goal(task).facts[0].value not in public
        if len(goal(task).support) > 2:
            ends = {name for edge in task.private["subgraph"] for name in (edge[0], edge[3])}
            assert {n for n, _ in goal(task).support} - {"read_policy"} <= ends, task.id
    assert tasks()[:5] == tuple(
        itertools.islice(FULL.propose(Graph(), Order(split=Split.TRAIN, seed=5, size="full")), 5)
    )


def test_no_tool_shows_another_secret_or_the_goal():
    task = first(granted)
    env = FULL.open(task, RESOURCES)
    secret = goal(task).facts[0].value
    shown = []
    for a in ACTIONS:
        if not a.writes and a.service:
            key = a.takes[0] if a.takes else ""
            table = next((n.table for n in a.needs), "")
            rows = env.db.all(f"SELECT {key} FROM {table}") if table else []
            for row in rows:
                shown.append(FULL.call(env, ToolCall(name=a.name, arguments=row)).text)
    assert len(shown) > 500
    assert not [s for s in shown if f'"{secret}"' in s]


def test_the_screening_turns_away_what_does_not_hold():
    task = first(lambda g: granted(g) and len(g.support) > 4)
    g, policy = goal(task), task.setup["policy"]

    def screen(changed):
        screened(Database(world(task.split, task.setup["world"])), policy, task.instruction, changed)

    screen(g)
    name, arguments = g.support[2]
    invented = {k: "Z99999" for k in arguments}
    from msgspec.structs import replace as with_

    for support in (
        (*g.support[:2], (name, invented), *g.support[3:]),  # from nowhere
        g.support[:1] + g.support[2:3] + g.support[:1],  # the write is missing
        (*g.support, g.support[-1]),  # once too often
    ):
        with pytest.raises(Unsound):
            screen(with_(g, support=tuple(support)))


# --- verifiers -------------------------------------------------------------------------------------------------------------


def test_doing_nothing_guessing_and_policies_without_judgement_fail():
    some = tasks()[:40]
    for task in some[:12]:
        for text in ("", "I have done everything that was asked for.", *FULL.guesses(task)):
            assert not played(task, iter_message(text)).verdict.passed, (task.id, text)
    rates = {
        name: sum(played(t, policy(t.public())).verdict.passed for t in some) / len(some)
        for name, policy in FULL.baselines(some).items()
    }
    assert rates["hands over"] == rates["refuses at once"] == 0
    assert rates["looks, then refuses"] < 0.5
    assert rates["looks, then obeys"] < 0.6


def iter_message(text):
    yield Message(role="assistant", content=text)


def test_what_the_policy_forbids_fails_even_if_the_end_is_as_it_should_be():
    """A write that is taken back leaves the state right and the policy broken."""
    task = first(
        lambda g: (
            refused(g)
            and g.requests[0].wish in ("mend_data", "credit_bill", "return_item", "set_bags", "choose_seat")
        )
    )
    env = FULL.open(task, RESOURCES)
    booking = env.db.one("SELECT booking_id, bags FROM bookings")
    order = [ask("set_bags", booking_id=booking["booking_id"], new_bags=(booking["bags"] + 1)),
             ask("set_bags", booking_id=booking["booking_id"], new_bags=booking["bags"])]  # fmt: skip
    judged = played(task, edited(FULL.expert(task.public()), lambda m: [*order, m] if not m.calls else [m]))
    parts = judged.verdict.parts
    assert (parts["state"], parts["policy"], judged.verdict.passed) == (1.0, 0.0, False)
    assert parts["grounding"] == 0.0  # the booking was never shown
    steps = [t.verdict for t in judged.trajectory.turns if t.verdict]
    assert steps
    assert not any(v.passed for v in steps)


def test_a_step_left_out_a_wrong_amount_and_a_second_write_fail():
    task = first(lambda g: granted(g) and g.requests[0].wish in ("return_item", "refund_booking"))

    def without(message):
        return [message for _ in (0,) if not any(c.name.startswith("pay_") for c in message.calls)]

    def short(message):
        if any(c.name.startswith("pay_") for c in message.calls):
            call = message.calls[0]
            column = "refund" if "refund" in call.arguments else "amount"
            return [ask(call.name, **{**call.arguments, column: call.arguments[column] - 1})]
        return [message]

    script = FULL.expert(task.public())
    messages = []
    seen = None
    env = FULL.open(task, RESOURCES)
    while True:
        try:
            m = next(script) if seen is None else script.send(seen)
        except StopIteration:
            break
        messages.append(m)
        seen = Seen(results=tuple(FULL.call(env, c) for c in m.calls))
    assert played(task, iter(_replayed(messages))).verdict.passed
    left = played(task, iter(_replayed([x for m in messages for x in without(m)])))
    assert (left.verdict.parts["state"], left.verdict.parts["goal"]) == (0.0, 0.0)
    less = played(task, edited(FULL.expert(task.public()), short))
    assert (less.verdict.parts["state"], less.verdict.passed) == (0.0, False)
    more = ask("transfer_to_human", reason="to be sure")
    handed = played(task, edited(FULL.expert(task.public()), lambda m: [m] if m.calls else [more, m]))
    assert (handed.verdict.parts["policy"], handed.verdict.passed) == (0.0, False)


def _replayed(messages):
    class Script:
        def __init__(self):
            self.at = iter(messages)

        def __iter__(self):
            return self

        def __next__(self):
            return next(self.at)

        def send(self, seen):
            return next(self.at)

    return Script()


def test_refusing_without_having_read_the_policy_or_for_another_reason_fails():
    task = first(lambda g: refused(g) and len(WISHES[g.requests[0].wish].reasons) > 1)
    blind = played(task, edited(FULL.expert(task.public()), lambda m: [m]))
    assert blind.verdict.passed
    text = blind.trajectory.answer
    assert not played(task, iter_message(text)).verdict.passed  # right words, nothing looked at
    wish = WISHES[goal(task).requests[0].wish]
    for key, (reason, _) in wish.reasons.items():
        right = re.search(wish.reasons[goal(task).requests[0].refused][1], reason, re.I)
        if key != goal(task).requests[0].refused and not right:
            lie = f"I can not do the {wish.name}, because {reason}."
            assert not told(lie, goal(task).requests), lie


def test_guessing_what_the_customer_left_out_fails():
    task = first(
        lambda g: len(g.requests) == 1 and any(f.missing for f in g.facts) and not g.requests[0].refused
    )
    judged = played(task, FULL.expert(task.public()))
    assert judged.verdict.passed

    def oracle():
        for name, arguments in goal(task).support:
            yield ask(name, **arguments)
        yield Message(role="assistant", content=judged.trajectory.answer)

    cheat = played(task, oracle())
    assert cheat.verdict.parts["state"] == 1.0
    assert cheat.verdict.parts["asked"] == 0.0
    assert not cheat.verdict.passed


def test_rubrics_are_read_off_the_trajectory():
    task = first(lambda g: granted(g))
    good = played(task, FULL.expert(task.public()))
    rubrics = set(good.verdict.parts) - set(OUTCOME)
    assert rubrics == {
        "identified first",
        "policy before writing",
        "calls in order",
        "no call twice",
        "look-ups grounded",
    }
    bad = ask("get_order", order_id="O00000")
    clumsy = played(task, edited(FULL.expert(task.public()), lambda m: [m] if not m.calls else [bad, m]))
    assert clumsy.trajectory.status is Status.FINISHED


def test_the_customer_tells_what_is_asked_and_no_more():
    task = first(lambda g: g.facts[0].missing)
    env = FULL.open(task, RESOURCES)
    secret = goal(task).facts[0].value
    assert secret not in task.instruction
    assert FULL.reply(FULL.open(task, RESOURCES), "All is done.") is None
    assert secret not in (FULL.reply(env, "What is your shoe size?") or "")
    assert secret in (
        FULL.reply(env, "To verify your identity, please tell me your postcode, PIN or date of birth?") or ""
    )
    assert "no time" in str([FULL.reply(env, "What is your shoe size?") for _ in range(10)])
    assert FULL.reply(env, "What is your PIN?") is None


def test_a_model_can_speak_the_customer_and_is_held_to_what_the_script_tells():
    task = first(lambda g: g.facts[0].missing)
    secret = goal(task).facts[0].value
    env = SPOKEN.open(
        task, replace(RESOURCES, ask=lambda prompt: f"Well, here you are: {secret}. Is that enough?")
    )
    question = {"postcode": "postcode", "birth_date": "date of birth", "pin": "PIN"}[
        goal(task).facts[0].column
    ]
    assert SPOKEN.reply(env, f"What is your {question}?") == f"Well, here you are: {secret}. Is that enough?"
    assert goal(task).facts[0].column in env.asked
    env = SPOKEN.open(task, replace(RESOURCES, ask=lambda prompt: secret))
    with pytest.raises(InfrastructureError):
        SPOKEN.reply(env, "What is your shoe size?")


# --- state -----------------------------------------------------------------------------------------------------------------

GO_ON = """
import sys, itertools, pickle
from openhorizon.domains.agentic.full import FULL, SPOKEN
from openhorizon.domains.plain import no_resources
from openhorizon.records import Message, Task, ToolCall, from_json, Trajectory, Status, Turn, Completion
task = from_json(open(sys.argv[1], "rb").read(), Task)
env = FULL.open(task, no_resources())
env.load(open(sys.argv[2], "rb").read())
for line in open(sys.argv[3], "rb"):
    assert FULL.call(env, from_json(line, ToolCall)).ok
run = from_json(open(sys.argv[4], "rb").read(), Trajectory)
print(FULL.verify(task, run, env).passed)
"""


def test_state_goes_on_in_a_fresh_process(tmp_path):
    task = first(lambda g: any(f.missing for f in g.facts) and sum(r.steps for r in g.requests) > 0)
    run = played(task, FULL.expert(task.public())).trajectory
    env = FULL.open(task, RESOURCES)
    calls = []
    for turn in run.turns:
        if turn.reply:
            FULL.reply(env, turn.message.content)
        calls += turn.message.calls
    half = len(calls) // 2
    for call in calls[:half]:
        FULL.call(env, call)
    (tmp_path / "task").write_bytes(as_json(task))
    (tmp_path / "state").write_bytes(env.save())
    (tmp_path / "calls").write_bytes(b"\n".join(map(as_json, calls[half:])))
    (tmp_path / "run").write_bytes(as_json(run))
    files = [str(tmp_path / n) for n in ("task", "state", "calls", "run")]
    out = subprocess.run([sys.executable, "-c", GO_ON, *files], capture_output=True, text=True, check=False)
    assert out.stdout.strip() == "True", out.stderr
    (tmp_path / "state").write_bytes(FULL.open(task, RESOURCES).save())
    out = subprocess.run([sys.executable, "-c", GO_ON, *files], capture_output=True, text=True, check=False)
    assert out.stdout.strip() != "True"  # without what was asked and done before, it does not pass


def test_every_section_can_be_read_back_from_its_words():
    for section in POLICY.values():
        for params in section.variants():
            assert section.read(section.said(params)) == params
    assert POLICY["retail", "returns"].read("Everything is allowed.") == {}


def test_the_domain_offers_this_form_at_full_size():
    assert DOMAINS["agentic"].sized("full") is FULL
    assert DOMAINS["agentic"].sized("mini") is not FULL
