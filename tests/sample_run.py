"""A run folder as the pipeline leaves it, with made-up numbers of a plausible shape: what the report's tests read."""

import json
import math
import random
from pathlib import Path
from typing import Any

import msgspec

from openhorizon.chat.wire import write
from openhorizon.evaluation.statistics import evaluate_scores
from openhorizon.records import (
    Completion,
    Evidence,
    Judged,
    Message,
    Score,
    Split,
    Status,
    Task,
    ToolCall,
    ToolResult,
    Trajectory,
    Turn,
    Verdict,
    VerifierSpec,
    as_json,
)
from openhorizon.report.data import Shown

RATES = {  # base, sft, teacher, student
    "search": (0.00, 0.26, 0.78, 0.71),
    "engineering": (0.01, 0.41, 0.83, 0.79),
    "science": (0.00, 0.37, 0.72, 0.66),
    "instructions": (0.06, 0.52, 0.88, 0.90),
    "agentic": (0.02, 0.44, 0.79, 0.73),
    "scientific_agentic": (0.00, 0.48, 0.81, 0.74),
}
DOMAINS = tuple(RATES)
MODELS = ("base", "sft", "teacher", "student")
REASONS = (
    "not verifiable",
    "not solved",
    "one-shot look-up",
    "evidence not consulted",
    "ambiguous or shortcut",
)

# question, answer, steps of (said, tool, arguments, returned, consulted)
STORIES: dict[str, tuple[str, str, list[tuple[str, str, dict[str, Any], str, list[str]]]]] = {
    "search": (
        "Start at Amber Bay. Who founded the town where its mayor was born?", "Kelp Stone",
        [
            ("", "search", {"query": "Amber Bay"}, "1. Amber Bay (town)\n2. Amber Bay harbour", ["wiki/Amber Bay"]),
            ("", "read_page", {"title": "Amber Bay"}, "Amber Bay is a town. Its mayor is Willow Ridge. It lies by the lake.", ["wiki/Amber Bay", "wiki/Amber Bay#0"]),
            ("mayor is Willow Ridge", "read_page", {"title": "Willow Ridge"}, "Willow Ridge is a person. Willow Ridge was born in Flint Moor.", ["wiki/Willow Ridge", "wiki/Willow Ridge#0"]),
            ("born in Flint Moor", "read_page", {"title": "Flint Moor"}, "Flint Moor is a town. Its founder is Kelp Stone.", ["wiki/Flint Moor", "wiki/Flint Moor#0"]),
        ],
    ),
    "engineering": (
        "Competition wine-3: predict the class. Write a solution, run it, improve it, submit the best.", "score 0.94",
        [
            ("", "write_full_code", {"code": "fit(model='logistic')"}, "node 1 written", ["competition/wine-3"]),
            ("", "execute_code", {"node": 1}, "validation 0.71, submission valid", ["competition/wine-3"]),
            ("scale before fitting", "patch_code", {"node": 1, "code": "fit(model='logistic', scale=True)"}, "node 2 written", []),
            ("", "execute_code", {"node": 2}, "validation 0.94, submission valid", ["competition/wine-3"]),
            ("", "update_answer", {"node": 2}, "answer is node 2", []),
        ],
    ),
    "science": (
        "A body of 37 kg moves at 4 m/s. Give its kinetic energy in joule.", "296 J",
        [
            ("", "scholar", {"query": "kinetic energy"}, "kinetic energy E = m v^2 / 2", ["handbook/kinetic energy"]),
            ("E = m v^2 / 2", "code", {"program": "print(37 * 4**2 / 2)"}, "296.0", []),
        ],
    ),
    "instructions": (
        "Write two sentences about a harbor. Use the word lantern twice, no commas, end with the word tide.",
        "two sentences, lantern twice, no comma, last word tide", [],
    ),
    "agentic": (
        "I want to change my order. The name is Thorn Vale.", "order 212 has size 40 and the user was told so",
        [
            ("", "find_user", {"name": "Thorn Vale"}, '{"user": 17, "orders": [212]}', ["service/users"]),
            ("", "get_order", {"order": 212}, '{"order": 212, "item": "boots", "size": 38, "state": "open"}', ["service/orders", "policy#2"]),
            ("", "change_order", {"order": 212, "size": 40}, "order 212 changed: size 40", ["service/orders"]),
        ],
    ),
    "scientific_agentic": (
        "Which of the three molecules is most similar to aspirin and has a carboxylic acid?", "salicylic acid",
        [
            ("", "similarity", {"a": "aspirin", "b": "salicylic acid"}, "0.48", ["molecule/aspirin", "molecule/salicylic acid"]),
            ("", "similarity", {"a": "aspirin", "b": "paracetamol"}, "0.23", ["molecule/aspirin", "molecule/paracetamol"]),
            ("", "substructure", {"molecule": "salicylic acid", "pattern": "C(=O)O"}, "yes", ["molecule/salicylic acid"]),
        ],
    ),
}  # fmt: skip


def task(domain: str, number: int = 0) -> Task:
    question, answer, steps = STORIES[domain]
    nodes = dict.fromkeys(n for *_, consulted in steps for n in consulted if "#" in n or len(consulted) == 1)
    texts = {n: text for *_, text, consulted in steps for n in consulted}
    return Task(
        id=f"{domain}/heldout/{number}", domain=domain, split=Split.HELDOUT, instruction=question, answer=answer,
        evidence=tuple(Evidence(node=n, text=texts[n], source=n.split("#")[0]) for n in nodes),
        verifiers=(VerifierSpec(name="answer"), VerifierSpec(name="evidence")), level=1 + number % 3,
    )  # fmt: skip


def _turn(message: Message, rng: random.Random, **more: Any) -> Turn:
    text = write(message)
    ids = tuple(rng.randrange(200) for _ in range(max(1, len(text) // 4)))
    return Turn(
        context_ids=tuple(range(12)), completion=Completion(text=text, token_ids=ids, policy="student"), message=message, **more
    )  # fmt: skip


def judged(domain: str, passed: bool, number: int = 0, policy: str = "student") -> Judged:
    """An attempt that follows the story and ends rightly or wrongly."""
    rng = random.Random(f"{domain}{passed}{number}{policy}")
    question, answer, steps = STORIES[domain]
    turns = []
    for i, (said, name, arguments, text, consulted) in enumerate(
        steps if passed else steps[: max(1, len(steps) - 1)]
    ):
        call = ToolCall(name=name, arguments=arguments)
        wrong = not passed and i == 1
        result = ToolResult(
            call=call, text=f"error: {name} knows nothing of that" if wrong else text, ok=not wrong,
            sources=() if wrong else tuple(consulted),
        )  # fmt: skip
        verdict = Verdict(
            score=0.0 if wrong else 1.0, passed=not wrong, why="useless call" if wrong else "evidence found"
        )
        message = Message(role="assistant", content=said, calls=(call,))
        turns.append(_turn(message, rng, results=(result,), verdict=verdict if consulted or wrong else None))
    if domain == "agentic":
        turns.insert(
            0, _turn(Message(role="assistant", content="What should change?"), rng, reply="the size, to 40")
        )
    final = answer if passed else "Willow Ridge"
    if domain == "instructions":
        final = (
            "A lantern burns above the harbor wall. The lantern waits for the tide"
            if passed
            else "The harbor, at night."
        )
    turns.append(_turn(Message(role="assistant", content=final), rng))
    trajectory = Trajectory(
        id=f"{domain}/heldout/{number}@{policy}/0", task=f"{domain}/heldout/{number}", domain=domain,
        prompt=(
            Message(role="system", content="Use the tools. Then answer in a few words."),
            Message(role="user", content=question),
        ),
        turns=tuple(turns), status=Status.FINISHED, answer=final, policy=policy,
    )  # fmt: skip
    parts = (
        {"answer": 1.0, "evidence": 1.0, "form": 1.0}
        if passed
        else {"answer": 0.0, "evidence": 0.5, "form": 1.0}
    )
    why = (
        "the answer is right and every required page was read"
        if passed
        else f"expected {answer}, got {final}"
    )
    return Judged(
        trajectory=trajectory,
        verdict=Verdict(score=1.0 if passed else 0.0, passed=passed, parts=parts, why=why),
    )


def scores(seed: int = 0, n: int = 200) -> list[Score]:
    """Outcomes that correlate between models as real ones do: each task has its own difficulty."""
    rng, rows = random.Random(seed), []
    for domain, rates in RATES.items():
        length = 1 + len(STORIES[domain][2])
        for i in range(n):
            hard = rng.random()
            for model, rate in zip(MODELS, rates, strict=True):
                passed = 0.75 * hard + 0.25 * rng.random() < rate
                turns = max(
                    1, min(8, length + rng.choice((-1, 0, 0, 0, 1, 2) if model == "sft" else (0, 0, 0, 0, 1)))
                )
                tokens = int(
                    30 + 26 * turns + rng.gauss(0, 9) + (12 * rng.random() if passed else 30 * rng.random())
                )
                rows.append(
                    Score(
                        model=f"teachers/{domain}" if model == "teacher" else model,
                        domain=domain,
                        task=f"{domain}/heldout/{i}",
                        passed=passed,
                        value=float(passed),
                        turns=turns,
                        tokens=tokens,
                        status="finished" if passed or rng.random() < 0.8 else "truncated",
                    )
                )
    return rows


def metrics(seed: int = 0) -> list[dict[str, Any]]:
    rng, rows = random.Random(seed), []

    def log(stage: str, step: int, **values: float) -> None:
        rows.extend(
            {"stage": stage, "step": step, "name": k.replace("__", "/"), "value": v}
            for k, v in values.items()
        )

    def falling(step: int, start: float, end: float, pace: float) -> float:
        return end + (start - end) * math.exp(-step / pace) + rng.gauss(0, 0.04 * (end + 0.2))

    for step in range(600):
        log(
            "sft",
            step,
            loss=max(0.02, falling(step, 4.8, 0.21, 70)),
            lr=1e-3 * min(1, step / 30),
            gradient_norm=rng.expovariate(1),
        )
    for k, domain in enumerate(DOMAINS):
        for step in range(250):
            log(
                f"teachers/{domain}", step, loss=max(0.01, falling(step, 0.5 + 0.05 * k, 0.06 + 0.01 * k, 60))
            )
            if domain in ("search", "instructions", "agentic"):
                low, high = RATES[domain][1:3]
                log(
                    f"teachers/{domain}",
                    step,
                    reward=min(1.0, max(0.0, falling(step, low, high, 80) + rng.gauss(0, 0.06))),
                )
    for step in range(300):
        for k, domain in enumerate(DOMAINS):
            low, high = RATES[domain][1], RATES[domain][3]
            log("distill", step, **{
                f"sva__{domain}": max(0.004, falling(step, 0.35 + 0.06 * k, 0.03 + 0.006 * k, 50 + 8 * k)),
                f"coverage__{domain}": min(0.9999, 0.998 - 0.001 * k - 0.03 * math.exp(-step / 40) + rng.gauss(0, 0.0006)),
                f"success__{domain}": min(1.0, max(0.0, falling(step, low, high, 90) + rng.gauss(0, 0.09))),
            })  # fmt: skip
        log("distill", step, loss=max(0.004, falling(step, 0.5, 0.05, 60)))
    return rows


def selfplay() -> dict[str, Any]:
    rng, found = random.Random(1), {}
    for i, domain in enumerate(DOMAINS):
        proposed = 1300 + 60 * i
        rejected = {r: n for k, r in enumerate(REASONS) if (n := rng.randrange(10, 160) * ((i + k) % 3 > 0))}
        found[domain] = {
            "accepted": proposed - sum(rejected.values()),
            "proposed": proposed,
            "rejected": rejected,
        }
    return found


def graph() -> dict[str, Any]:
    rng = random.Random(2)
    kinds = {
        "evidence": 900,
        "entity": 520,
        "fact": 640,
        "constraint": 60,
        "resource": 40,
        "action": 5200,
        "observation": 5100,
        "verdict": 3400,
        "artifact": 2600,
    }
    nodes = {
        d: {k: max(1, int(n * rng.uniform(0.4, 1.5))) for k, n in kinds.items() if rng.random() > 0.12}
        for d in DOMAINS
    }
    edges = {
        "supports": 14_210,
        "depends_on": 22_804,
        "produces": 38_990,
        "verifies": 20_411,
        "next": 24_870,
        "links_to": 6_312,
    }
    return {"nodes": nodes, "edges": edges}  # fmt: skip


def stages() -> list[tuple[str, float, dict[str, Any]]]:
    return [
        ("graph", 6.2, {"nodes": 13_204, "edges": 20_522}),
        ("propose", 41.7, {"proposed": 8_700, "accepted": 7_112}),
        ("demonstrate", 18.9, {"demonstrations": 6_000, "tokens": 812_344}),
        ("sft", 128.4, {"loss": 0.2113, "steps": 600}),
        *((f"teachers/{d}", 48.0 + 7 * i, {"success": RATES[d][2]}) for i, d in enumerate(DOMAINS)),
        ("distill", 171.3, {"steps": 300, "coverage": 0.9974}),
        ("evaluate", 58.8, {"tasks": 1200, "student": "75.5%"}),
    ]


def write_run(run: Path, samples_each: int = 3) -> Path:
    """The whole folder; returns it."""

    def put(path: str, data: bytes) -> None:
        (run / path).parent.mkdir(parents=True, exist_ok=True)
        (run / path).write_bytes(data)

    def lines(path: str, rows: list[Any]) -> None:
        put(path, b"".join(msgspec.json.encode(r) + b"\n" for r in rows))

    put("recipe.json", json.dumps({
        "name": "demo", "seed": 0, "model": {"base": "", "layers": 4, "width": 128, "experts": 8, "active": 2},
        "sft": {"steps": 600, "lr": 1e-3}, "distill": {"k": 16, "steps": 300},
    }).encode())  # fmt: skip
    put("environment.json", json.dumps({
        "machine": {"cores": 2, "memory_mb": 6144, "processor": "x86_64", "system": "Linux"}, "commit": "0123abcd4567ef890123abcd4567ef890123abcd",
        "python": "3.11.7", "torch": "2.13.0", "transformers": "5.23.0", "openhorizon": "0.1.0",
    }).encode())  # fmt: skip
    for name, seconds, said in stages():
        put(
            f"{name}/manifest.json", json.dumps({"stage": name, "seconds": seconds, "summary": said}).encode()
        )
    lines("metrics.jsonl", metrics())
    lines("evaluation/scores.jsonl", scores())
    put("evaluation/summary.json", as_json(evaluate_scores(scores())))
    shown = [
        Shown(model=m, judged=judged(d, passed, i, m), task=task(d, i))
        for d in DOMAINS
        for m in ("sft", "teacher", "student")
        for passed in (True, False)
        for i in range(samples_each)
    ]
    lines("evaluation/samples.jsonl", shown)
    put("selfplay/report.json", json.dumps(selfplay()).encode())
    put("graph/summary.json", json.dumps(graph()).encode())
    return run
