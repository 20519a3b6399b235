"""τ²-bench's files load, play and grade as its rules do: on a small sample of our own always, on its cases where they are."""

import asyncio
import gzip
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from openhorizon.domains.agentic.tau2 import Made, grade, idle, load
from openhorizon.domains.agentic.tau2.bridge import Bridge
from openhorizon.domains.agentic.tau2.customer import in_first_person
from openhorizon.domains.agentic.tau2.mock import Mock
from openhorizon.domains.agentic.tau2.rules import begin, merged, said_in, same_call
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.errors import InfrastructureError, UserError
from openhorizon.records import Judged, Message, Status, ToolCall
from openhorizon.rollout.attempt import attempt
from openhorizon.rollout.play import Play

SHARED = Path(os.environ.get("OPENHORIZON_DATA") or Path(__file__).parents[2] / "shared" / "data")
PYTHON, CHECKOUT = os.environ.get("TAU2_PYTHON", ""), os.environ.get("TAU2_CHECKOUT", "")
DB = {
    "tasks": {
        "task_1": {"task_id": "task_1", "title": "Water plants", "description": None, "status": "pending"}
    },
    "users": {"user_1": {"user_id": "user_1", "name": "Ada", "tasks": ["task_1"]}},
}
CREATE = {"action_id": "a", "name": "create_task", "arguments": {"user_id": "user_1", "title": "Buy milk"}}
CLOSE = {
    "action_id": "b",
    "name": "update_task_status",
    "arguments": {"task_id": "task_1", "status": "completed"},
}
PENDING = {
    "env_type": "assistant", "func_name": "assert_task_status", "arguments": {"task_id": "task_2", "expected_status": "pending"}
}  # fmt: skip
TASKS = [
    {
        "id": "milk",
        "user_scenario": {"persona": None, "instructions": {"reason_for_call": "You want a task for you: 'Buy milk'.", "known_info": "You are user_1.", "task_instructions": "If the agent offers to add a reminder to it you must decline politely and say that you have one already."}},
        "evaluation_criteria": {"actions": [CREATE], "env_assertions": [PENDING], "communicate_info": ["1250"], "reward_basis": ["DB", "ENV_ASSERTION", "COMMUNICATE", "ACTION"]},
    },
    {"id": "judged", "user_scenario": {"instructions": "You want nothing."}, "evaluation_criteria": {"actions": [], "reward_basis": ["NL_ASSERTION"], "nl_assertions": ["polite"]}},
]  # fmt: skip


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "tau2" / "domains" / "mock"
    folder.mkdir(parents=True)
    inbox = {
        "notifications": {
            "n1": {"notification_id": "n1", "message": "hi", "status": "unread", "task_id": None}
        }
    }
    for name, text in (("db", DB), ("tasks", TASKS), ("user_db", inbox)):
        (folder / f"{name}.json").write_text(json.dumps(text))
    (folder / "policy.md").write_text("Be kind.")
    return tmp_path


def opened():
    return Mock(DB, None, {})


def judged(criteria, calls, texts=(), initial=None):
    row = {"id": "x", "initial_state": initial, "evaluation_criteria": criteria}
    return grade(opened, row, [Made(name=c["name"], arguments=c["arguments"]) for c in calls], list(texts))


def test_the_end_state_decides_not_the_way():
    done = {"name": "update_task_status", "arguments": {"task_id": "task_1", "status": "completed"}}
    back = {"name": "update_task_status", "arguments": {"task_id": "task_1", "status": "pending"}}
    criteria = {"actions": [CLOSE], "reward_basis": ["DB"]}
    assert judged(criteria, [done, back, done]).reward == 1
    assert judged(criteria, []).reward == judged(criteria, [done, back]).reward == 0
    assert judged({"actions": [], "reward_basis": ["DB"]}, [done]).reward == 0  # a change that nobody wanted
    assert judged(criteria, [{"name": "fly", "arguments": {}}, done]).reward == 1


def test_only_the_basis_counts_and_nothing_wanted_is_a_match():
    criteria = {"actions": [CLOSE], "communicate_info": ["42"], "reward_basis": ["COMMUNICATE"]}
    assert judged(criteria, [], ["It is 42."]).reward == 1
    assert judged(criteria, [CLOSE], ["It is 41."]).reward == 0
    assert judged(None, []).reward == 1
    assert judged({"actions": None, "env_assertions": None}, [CREATE]).db_match
    with pytest.raises(UserError, match="NL_ASSERTION"):
        judged({"reward_basis": ["NL_ASSERTION"]}, [])
    with pytest.raises(UserError, match="no rule"):
        judged({"reward_basis": ["LUCK"]}, [])


def test_calls_compare_on_the_arguments_that_were_given_or_that_are_named():
    one = {"name": "f", "arguments": {"a": 1, "b": 2}}
    assert same_call(one, Made(name="f", arguments={"a": 1}))  # the rule looks at what the call holds
    assert same_call(one, Made(name="f", arguments={}))
    assert not same_call(one, Made(name="f", arguments={"a": 1, "b": 3}))
    assert same_call(one | {"compare_args": ["a"]}, Made(name="f", arguments={"a": 1, "b": 3}))
    assert same_call(one | {"compare_args": []}, Made(name="f", arguments={"z": 9}))
    assert not same_call(one, Made(name="g", arguments={"a": 1, "b": 2}))


def test_said_ignores_case_and_commas_of_what_was_said():
    assert said_in("1250", ["It is $1,250."])
    assert not said_in("1,250", ["It is $1,250."])
    assert said_in("Blue", ["the BLUE one"])


def test_the_initial_state_is_data_then_functions_then_history():
    world = opened()
    begin(
        world,
        {
            "initialization_data": {"agent_data": {"users": {"user_1": {"name": "Eve"}}}},
            "initialization_actions": [{"env_type": "assistant", "func_name": "create_task", "arguments": CREATE["arguments"]}],
            "message_history": [{"role": "assistant", "content": None, "tool_calls": [{"name": "update_task_status", "arguments": {"task_id": "task_2", "status": "completed"}}]}],
        },
    )  # fmt: skip
    assert world.db["users"]["user_1"] == {"user_id": "user_1", "name": "Eve", "tasks": ["task_1", "task_2"]}
    assert world.db["tasks"]["task_2"]["status"] == "completed"
    assert DB["users"]["user_1"]["name"] == "Ada"
    assert merged({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2]}}) == {"a": {"b": 1, "c": [2]}}


def differences(case, opened):
    """What we see otherwise than the case says."""
    world, wanted, found = opened(), case["expected"], []
    begin(world, case["initial_state"])
    calls = [Made(**a) for a in case["actions"]]
    seen = [world.call(c) for c in calls]
    for out, got in zip(case["tool_outputs"], seen, strict=True):
        if (
            out["error"] != got.error
            or len(got.text) != out["content_len"]
            or out["content"] not in (None, got.text)
        ):
            found.append(f"{got.text} for {out['content']}")
    db, user = world.hashes()
    world.close()
    graded = grade(
        opened, case | {"id": case["task_id"]}, calls, [case["final_text"]] if case["final_text"] else []
    )
    ours = {
        "db_match": graded.db_match, "db_hash": db, "env_assertions": list(graded.assertions), "action_reward": graded.parts["ACTION"],
        "communicate_reward": graded.parts["COMMUNICATE"], "reward_basis": list(graded.basis), "rule_reward": graded.reward,
        "n_tool_errors": sum(s.error for s in seen),
    } | ({"user_db_hash": user} if case["domain"] != "mock" else {})  # fmt: skip
    return found + [f"{k}: {v} for {wanted[k]}" for k, v in ours.items() if v != wanted[k]]


def cases(*domains):
    path = SHARED / "tau2_state_cases.jsonl.gz"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    with gzip.open(path) as lines:
        return [c for c in map(json.loads, lines) if c["domain"] in domains]


def test_every_case_of_the_mock_domain_agrees():
    found = cases("mock")
    whole = json.loads((SHARED / "tau2_mock.json").read_text())
    found += whole["cases"]
    wrong = {
        f"{c['task_id']} {c['variant']}": d
        for c in found
        if (d := differences(c, lambda: Mock(whole["db"], None, {})))
    }
    assert not wrong
    assert len(found) == 87


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("retail", 118), ("telecom", 79), ("airline", 62)])
def test_every_case_of_a_domain_over_the_bridge_agrees(name, count):
    if not (PYTHON and CHECKOUT):
        pytest.skip(
            "set TAU2_PYTHON to an interpreter with tau2-bench's requirements and TAU2_CHECKOUT to its folder"
        )
    root, found = Path(CHECKOUT), cases(name)
    if not any((root / "data/tau2/domains" / name).glob("db.*")):
        pytest.skip(f"the checkout holds no database of {name}")
    bridge = Bridge(PYTHON, root, root / "data")
    try:
        wrong = {
            f"{c['task_id']} {c['variant']}": d
            for c in found
            if (d := differences(c, lambda: bridge.open(name)))
        }
    finally:
        bridge.close()
    assert not wrong
    assert len(found) == count


FAKE = """
import json
class Kit:
    def __init__(self, db): self.db = db; self.tools = {"add": self.add, "read": self.read}
    def add(self, n): self.db["n"] += n; print("noise"); return {"n": self.db["n"]}
    def read(self): return str(self.db["n"])
    def broken(self): raise KeyError("no")
    def at_least(self, n): return self.db["n"] >= n
    def tool_mutates_state(self, name): return name == "add"
    def update_db(self, data): self.db = {**self.db, **data}
    def get_tools(self): return {}
class Env:
    policy = "Count."
    def __init__(self): self.tools, self.user_tools = Kit({"n": 1}), None
    def make_tool_call(self, name, requestor, **arguments):
        if name not in self.tools.tools: raise ValueError(f"Tool '{name}' not found.")
        if name == "read" and arguments.get("die"): import os; os._exit(3)
        return self.tools.tools[name](**arguments)
    def sync_tools(self): pass
    def to_json_str(self, said): return said if isinstance(said, str) else json.dumps(said)
    def get_db_hash(self): return str(self.tools.db)
    def get_user_db_hash(self): return None
def get_environment(): return Env()
"""


@pytest.fixture
def bridge(tmp_path):
    folder = tmp_path / "src" / "tau2" / "domains" / "toy"
    folder.mkdir(parents=True)
    (folder / "environment.py").write_text(FAKE)
    (tmp_path / "src" / "tau2" / "__init__.py").write_text("raise ImportError('pulls in models and voices')")
    found = Bridge(sys.executable, tmp_path, tmp_path)
    yield found
    found.close()


def test_the_bridge_keeps_worlds_apart_and_passes_errors_on(bridge):
    one, other = bridge.open("toy"), bridge.open("toy")
    assert one.call(Made(name="add", arguments={"n": 4})).text == '{"n": 5}'
    assert one.call(Made(name="fly")).text == "Error: Tool 'fly' not found."
    assert (one.hashes(), other.hashes()) == (("{'n': 5}", None), ("{'n': 1}", None))
    assert one.function("assistant", "at_least", {"n": 5}) is True
    other.merge("assistant", {"n": 9})
    assert other.call(Made(name="read")).text == "9"
    assert (one.mutates("add"), one.mutates("read"), one.mutates("fly")) == (True, False, False)
    assert one.policy() == "Count."
    with pytest.raises(UserError, match="KeyError"):
        one.function("assistant", "broken", {})
    row = {
        "id": "t",
        "evaluation_criteria": {"actions": [{"name": "add", "arguments": {"n": 2}}], "reward_basis": ["DB"]},
    }
    assert grade(lambda: bridge.open("toy"), row, [Made(name="add", arguments={"n": 2})], []).reward == 1
    assert grade(lambda: bridge.open("toy"), row, [Made(name="add", arguments={"n": 3})], []).reward == 0


def test_a_process_that_dies_is_an_infrastructure_fault(bridge, tmp_path):
    world = bridge.open("toy")
    with pytest.raises(InfrastructureError, match="is gone"):
        world.call(Made(name="read", arguments={"die": True}))
    with pytest.raises(UserError, match="cannot start"):
        Bridge(str(tmp_path / "nothing"), None, tmp_path)


def play_one(loaded, script, ask=None, n=0):
    engine = ScriptedEngine(lambda name: script(loaded.tasks[n]))
    play = Play(engine=engine, resources=SimpleNamespace(ask=ask), size="full")
    return asyncio.run(attempt(loaded.tasks[n], loaded.domain, play))


def test_a_task_file_plays_and_grades(data):
    loaded = load("mock", data)
    assert [t.id for t in loaded.tasks] == ["tau2-mock/heldout/milk"]
    assert "no judge" in loaded.left_out["judged"]
    assert loaded.tasks[0].instruction == "I want a task for me: 'Buy milk'."
    assert "Be kind." in loaded.domain.system
    shown = json.dumps(loaded.tasks[0].public().private) + loaded.tasks[0].instruction + loaded.domain.system
    assert "1250" not in shown
    assert "reminder" not in shown
    right = play_one(loaded, loaded.domain.expert)
    assert isinstance(right, Judged)
    assert right.verdict.passed
    assert idle(loaded) == 0

    def lazy(task):
        yield Message(role="assistant", content="I have done everything that was asked for.")

    assert play_one(loaded, lazy).verdict.score == 0
    for policy in loaded.domain.baselines(loaded.tasks).values():
        assert play_one(loaded, policy).verdict.score == 0
    assert len(load("mock", data, judge=lambda a, texts: True).tasks) == 2


def test_what_is_missing_is_said(tmp_path, data, monkeypatch):
    monkeypatch.delenv("TAU2_DATA_DIR", raising=False)
    with pytest.raises(UserError, match="TAU2_DATA_DIR"):
        load("mock")
    with pytest.raises(UserError, match="no tasks"):
        load("retail", tmp_path)
    (data / "tau2/domains/retail").mkdir()
    (data / "tau2/domains/retail/tasks.json").write_text("[]")
    with pytest.raises(UserError, match="interpreter"):
        load("retail", data)


def test_a_wrong_call_gets_the_benchmarks_own_words(data):
    loaded = load("mock", data)
    env = loaded.domain.open(loaded.tasks[0], SimpleNamespace(ask=None))
    said = loaded.domain.call(
        env, ToolCall(name="update_task_status", arguments={"task_id": "task_9", "status": "pending"})
    )
    assert (said.ok, said.text) == (False, "Error: Task task_9 not found")


def test_a_conversation_is_saved_and_taken_up(data):
    loaded = load("mock", data)

    def spoken(prompt):
        if '"dismiss_notification", "text"' in prompt or '"function": "dismiss_notification"' in prompt:
            return "I dismissed it."
        return (
            '<tool_call>{"name": "dismiss_notification", "arguments": {"notification_id": "n1"}}</tool_call>'
        )

    resources = SimpleNamespace(ask=spoken)
    one = loaded.domain.open(loaded.tasks[0], resources)
    one.call("create_task", CREATE["arguments"])
    assert one.reply("Please dismiss your notification.") == "I dismissed it."
    other = loaded.domain.open(loaded.tasks[0], resources)
    other.load(one.save())
    assert other.world.hashes() == one.world.hashes() != loaded.opened().hashes()
    assert other.save() == one.save()
    assert [c.requestor for c in one.calls] == ["assistant", "user"]


@pytest.mark.parametrize(
    "said",
    [
        "",
        "As an AI I cannot.",
        "Agent: done",
        "<tool_call>{broken</tool_call>",
        '<tool_call>{"name": "create_task"}</tool_call>',  # the agent's tool, not the customer's
        "if the agent offers to add a reminder to it you must decline politely and say that you have one already",
        "x" * 2000,
    ],
)
def test_a_customer_that_leaves_its_part_aborts_the_attempt(data, said):
    run = play_one(
        load("mock", data),
        lambda task: iter([Message(role="assistant", content="Which one?")]),
        ask=lambda p: said,
    )
    assert run.status is Status.ABORTED
    assert "simulated customer" in run.reason


def test_a_customer_ends_the_conversation_with_its_signal(data):
    loaded = load("mock", data)
    done = play_one(loaded, loaded.domain.expert, ask=lambda p: "Thanks! ###STOP###")
    assert done.verdict.passed
    assert done.trajectory.status is Status.FINISHED


def test_scenarios_are_told_in_the_first_person():
    assert in_first_person("You want your money. You are upset that you paid; they told you so.") == (
        "I want my money. I am upset that I paid; they told me so."
    )
