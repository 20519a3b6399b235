"""The study of the distillation: what an arm changes, how arms are paired over runs, and what a reader is shown."""

import random
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import asdict

from openhorizon.config import DistillPlan
from openhorizon.errors import RunError, UserError
from openhorizon.files import Folder
from openhorizon.pipeline import Shown
from openhorizon.recipes.demo import demo
from openhorizon.records import Score
from openhorizon.store import Run
from openhorizon.studies.distillation import ARMS, BASELINE, Budget, Outcome, files_of, named, plan_of
from openhorizon.studies.evidence import QUESTIONS, as_markdown, as_svg, weigh
from openhorizon.studies.study import study

BUDGET = Budget()
RATES = {
    "sft": 0.3,
    "teacher": 0.8,
    BASELINE: 0.6,
    "k4": 0.75,
    "forward": 0.35,
}  # per arm, the same in both domains


def score(model: str, domain: str, task: int, passed: bool) -> Score:
    return Score(
        model=model, domain=domain, task=f"{domain}/{task}", passed=passed, value=float(passed), turns=1, tokens=9,
        status="finished",
    )  # fmt: skip


def made(tmp_path: Path, runs: int = 2, tasks: int = 120) -> tuple[list[Run], Folder]:
    """Runs with scores of SFT and teachers, and a study folder with arms of known strength."""
    out, found = Folder(tmp_path / "study"), []
    for n in range(runs):
        rng = random.Random(n)
        run = Run.open(tmp_path / "runs", f"run{n}", demo())
        run.close()
        difficulty = {(d, t): rng.random() for d in ("search", "science") for t in range(tasks)}
        rows = {
            model: [score(model, d, t, x < rate) for (d, t), x in difficulty.items()]
            for model, rate in RATES.items()
        }
        evaluated = [
            *rows["sft"],
            *(
                score(f"teacher/{s.domain}", s.domain, int(s.task.split("/")[1]), s.passed)
                for s in rows["teacher"]
            ),
            *(
                score("teacher/search", "search", t, False) for t in range(tasks, tasks + 9)
            ),  # that no arm played
        ]
        run.stage("evaluation").write_jsonl("scores.jsonl", evaluated)
        for arm in (BASELINE, "k4", "forward"):
            scores, outcome = files_of(arm, run.name)
            out.write_jsonl(scores, rows[arm])
            out.write_json(
                outcome,
                Outcome(arm=arm, run=run.name, student_tokens=1000 + n, steps=5, seconds=2.0, coverage=0.9),
            )
        found.append(run)
    return found, out


def test_every_arm_changes_what_it_says_and_nothing_else():
    own = demo().distill
    base = plan_of(ARMS[0], own, BUDGET)
    assert (base.direction, base.mass_term, base.objective, base.balance, base.merge) == (
        "reverse", "none", "salient", "domain", 0.0,
    )  # fmt: skip
    assert base.optim == own.optim
    assert base.student_tokens == BUDGET.student_tokens
    for arm in ARMS[1:]:
        plan = asdict(plan_of(arm, own, BUDGET))
        changed = {name for name, value in asdict(base).items() if plan[name] != value}
        assert changed == set(arm.plan)
        assert changed or arm.routing != "hard" or not arm.on_policy
        assert arm.question in QUESTIONS
    assert len({a.name for a in ARMS}) == len(ARMS)
    assert {1, 4, 64} == {a.plan["k"] for a in ARMS if set(a.plan) == {"k"}}


def test_an_unknown_arm_is_named_and_the_baseline_is_always_there():
    assert [a.name for a in named("k4, js")] == [BASELINE, "k4", "js"]
    assert named(None) == ARMS
    with pytest.raises(UserError, match="there is no arm k5; there are paper, k1"):
        named("k5")


def test_the_evidence_pairs_each_arm_with_the_papers_over_all_runs(tmp_path: Path):
    runs, out = made(tmp_path)
    evidence = weigh(runs, named("k4,forward"), 1000, out)
    base, better, worse = evidence.rows
    assert evidence.tasks == 2 * 2 * 120
    assert base.against is None
    for row, rate in ((base, 0.6), (better, 0.75), (worse, 0.35)):
        assert row.success == pytest.approx(rate, abs=0.07)
        assert row.success == pytest.approx(sum(row.per_run) / 2, abs=1e-3)
        assert row.captured.captured == pytest.approx((rate - 0.3) / 0.5, abs=0.15)
        assert row.student_tokens == 1000.5
    assert better.against is not None
    assert worse.against is not None
    assert better.against.n == worse.against.n == evidence.tasks
    assert better.against.low > 0.05
    assert worse.against.high < -0.1
    assert better.against.difference == pytest.approx(better.success - base.success)


def test_the_table_and_the_chart_say_what_was_found(tmp_path: Path):
    runs, out = made(tmp_path)
    evidence = weigh(runs, named("k4,forward"), 1000, out)
    text = as_markdown(evidence)
    assert "2 runs (run0, run1), 1,000 student tokens an arm, 480 held-out tasks an arm" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 3
    assert len({line.count("|") for line in lines}) == 1
    chart = ElementTree.fromstring(as_svg(evidence))
    marks = chart.findall("{http://www.w3.org/2000/svg}circle")
    assert len(marks) == 2
    ahead, behind = (float(m.attrib["cx"]) for m in marks)
    zero = float(chart.findall("{http://www.w3.org/2000/svg}line")[0].attrib["x1"])
    assert behind < zero < ahead
    assert [m.attrib["fill"] for m in marks] == ["#0a7d4b", "#b3261e"]


def test_a_study_needs_evaluated_runs_of_different_names_and_keeps_its_budget(tmp_path: Path):
    runs, out = made(tmp_path)
    with pytest.raises(RunError, match="is not evaluated yet"):
        study(runs, "k4", BUDGET, out.dir, 1, Shown())
    for run in runs:
        run.stage("evaluation").finish({})
    with pytest.raises(RunError, match="give each run once"):
        study([runs[0], runs[0]], "k4", BUDGET, out.dir, 1, Shown())
    text = study(runs, "k4,forward", BUDGET, out.dir, 1, Shown())  # every arm is there: nothing is trained
    assert text == (out.dir / "study.md").read_text()
    assert (out.dir / "study.svg").read_text().startswith("<svg")
    with pytest.raises(RunError, match="holds a study with another budget"):
        study(runs, "k4", Budget(steps=41), out.dir, 1, Shown())


def test_the_paper_arm_is_the_default_plan():
    changed = {
        n for n, v in asdict(DistillPlan()).items() if asdict(plan_of(ARMS[0], DistillPlan(), BUDGET))[n] != v
    }
    assert changed <= {
        "steps",
        "student_tokens",
        "prompts_per_domain",
        "resident_teachers",
        "checkpoint_every",
    }
