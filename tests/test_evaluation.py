"""Rates, paired differences and headroom against published values, scipy and plain properties."""

import io
import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from openhorizon.errors import RunError
from openhorizon.evaluation.headroom import MEAN_OF_RATIOS, RATIO_OF_MEANS, headroom
from openhorizon.evaluation.intervals import Z, mcnemar, tango, wilson
from openhorizon.evaluation.statistics import across_seeds, by_role, compare, evaluate_scores, summary
from openhorizon.evaluation.tables import as_markdown, as_rich
from openhorizon.records import Score, as_json, from_json

counts = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40)).filter(lambda c: sum(c) > 0)


def score(model: str, domain: str, task: int, passed: bool) -> Score:
    return Score(
        model=model, domain=domain, task=f"{domain}/heldout/{task}", passed=passed, value=float(passed),
        turns=2, tokens=80, status="finished",
    )  # fmt: skip


def scores(model: str, domain: str, passed: int, n: int = 100) -> list[Score]:
    return [score(model, domain, i, i < passed) for i in range(n)]


def outcome(passed: int, n: int = 200) -> dict[str, bool]:
    return {str(i): i < passed for i in range(n)}


@pytest.mark.parametrize(
    ("right", "n"), [(0, 1), (1, 1), (0, 200), (200, 200), (7, 9), (123, 200), (1, 10_000)]
)
def test_the_wilson_interval_is_scipys(right: int, n: int) -> None:
    theirs = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_nothing_tried_is_nothing_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="3 successes of 2"):
        wilson(3, 2)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 7), (7, 1), (5, 5), (0, 9), (300, 340)])
def test_the_mcnemar_p_is_the_exact_binomial_test(gained: int, lost: int) -> None:
    expected = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-9)


def test_the_paired_interval_is_the_published_one() -> None:
    """Fagerland, Lydersen, Laake (2014), airway hyper-responsiveness of 21 children: 1 against 7 changed."""
    assert tango(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)
    assert mcnemar(1, 7) == pytest.approx(0.0703, abs=5e-5)


@pytest.mark.parametrize(("b", "c", "n"), [(1, 7, 21), (12, 2, 50), (30, 11, 200), (3, 0, 40)])
def test_the_ends_of_the_paired_interval_have_a_likelihood_score_of_z(b: int, c: int, n: int) -> None:
    """Without the closed form: the lost rate that maximises the likelihood, found by search."""
    for end, wanted in zip(tango(b, c, n), (Z, -Z), strict=True):

        def unlikely(q: float, d: float = end) -> float:
            logs = zip((b, c, n - b - c), (q + d, q, 1 - 2 * q - d), strict=True)
            return -sum(k * math.log(max(p, 1e-300)) for k, p in logs if k)

        best = optimize.minimize_scalar(
            unlikely, bounds=(max(0.0, -end), (1 - end) / 2), method="bounded", options={"xatol": 1e-12}
        )
        variance = n * (2 * best.x + end - end * end)
        assert (b - c - n * end) / math.sqrt(variance) == pytest.approx(wanted, abs=1e-3)


@given(counts)
def test_the_paired_interval_is_sound_for_any_counts(c: tuple[int, int, int]) -> None:
    gained, lost, _same = c
    n = sum(c)
    low, high = tango(gained, lost, n)
    assert -1 <= low <= (gained - lost) / n <= high <= 1
    assert high > low  # a width even where no task differs
    assert tango(lost, gained, n) == pytest.approx((-high, -low), abs=1e-9)
    square = (gained - lost) ** 2 / (gained + lost) if gained + lost else 0.0
    if abs(square - Z * Z) > 1e-6:
        assert (low > 0 or high < 0) == (square > Z * Z)


def test_a_summary_has_one_row_per_domain_and_the_macro_average() -> None:
    rows = summary(scores("sft", "search", 20) + scores("sft", "science", 60, n=200))
    assert [(r.model, r.domain, r.n) for r in rows] == [
        ("sft", "search", 100),
        ("sft", "science", 200),
        ("sft", "mean", 300),
    ]
    assert [r.mean for r in rows] == pytest.approx([0.2, 0.3, 0.25])
    low, high = rows[2].low, rows[2].high
    error = math.sqrt(0.2 * 0.8 / 100 + 0.3 * 0.7 / 200) / 2
    assert rows[2].standard_error == pytest.approx(error)
    assert (0.25 - low, high - 0.25) == pytest.approx((Z * error, Z * error), abs=0.006)


def test_the_average_of_models_that_never_pass_still_has_a_width() -> None:
    mean = summary(scores("base", "search", 0) + scores("base", "science", 0))[-1]
    assert mean.mean == 0.0
    assert mean.low == 0.0
    assert mean.high > 0.02


def test_the_order_of_scores_changes_no_number() -> None:
    rows = scores("sft", "search", 20) + scores("sft", "science", 60) + scores("student", "search", 50)
    rows += scores("student", "science", 55)
    forth = {(c.model, c.domain): c for c in summary(rows)}
    back = {(c.model, c.domain): c for c in summary(rows[::-1])}
    assert forth == back
    assert compare("student", "sft", rows) == compare("student", "sft", rows[::-1])


def test_a_paired_comparison_uses_the_tasks_that_differ() -> None:
    rows = [score("a", "search", i, i < 60) for i in range(100)] + [
        score("b", "search", i, 10 <= i < 50) for i in range(100)
    ]
    found = compare("a", "b", rows, "search")
    assert (found.n, found.difference) == (100, pytest.approx(0.2))
    assert (found.low, found.high) == tango(20, 0, 100)
    assert found.p_value == mcnemar(20, 0)


def test_the_compared_mean_is_paired_within_domains() -> None:
    rows = [
        s for d in ("search", "science") for m, k in (("a", 60), ("b", 45)) for s in scores(m, d, k, n=200)
    ]
    found = compare("a", "b", rows)
    assert found.difference == pytest.approx(0.075)
    unpaired = Z * math.sqrt(2 * (0.3 * 0.7 + 0.225 * 0.775) / 200 / 4)
    assert 0.04 < found.low < found.difference < found.high < 0.11
    assert found.high - found.low < 2 * unpaired  # pairing removed the tasks' own difficulty


def test_comparing_on_different_tasks_is_refused_by_name() -> None:
    rows = scores("a", "search", 5, n=10) + scores("b", "search", 5, n=9)
    with pytest.raises(RunError, match=r"same tasks of search: 1 only by a \(search/heldout/9\)"):
        compare("a", "b", rows)
    with pytest.raises(RunError, match="no scores to compare in science"):
        compare("a", "b", rows, "science")
    with pytest.raises(RunError, match="two scores for search/heldout/0"):
        summary([*rows, rows[0]])


def test_headroom_is_the_share_of_the_way_to_the_teacher() -> None:
    own, ratios, means = headroom({"search": outcome(50)}, {"search": outcome(150)}, {"search": outcome(130)})
    assert own.captured == pytest.approx(0.8)
    assert own.low is not None
    assert own.high is not None
    assert 0.68 < own.low < 0.8 < own.high < 0.9
    assert ratios.captured == means.captured == own.captured
    assert (ratios.domain, means.domain) == (MEAN_OF_RATIOS, RATIO_OF_MEANS)


def test_a_student_that_is_its_teacher_captures_all_of_it_for_sure() -> None:
    own = headroom({"search": outcome(50)}, {"search": outcome(150)}, {"search": outcome(150)})[0]
    assert (own.captured, own.low, own.high) == pytest.approx((1.0, 1.0, 1.0))


def test_headroom_is_undefined_where_the_teacher_is_not_above_sft() -> None:
    sft = {"search": outcome(100), "science": outcome(50)}
    teacher = {"search": outcome(100), "science": outcome(100)}
    student = {"search": outcome(120), "science": outcome(90)}
    search, science, ratios, means = headroom(sft, teacher, student)
    assert (search.captured, search.low, search.why) == (None, None, "no headroom: teacher 50.0%, SFT 50.0%")
    assert science.captured == pytest.approx(0.8)
    assert (ratios.captured, ratios.domains) == (science.captured, 1)
    assert ratios.why == "without search: no headroom there"
    assert means.captured == pytest.approx((105 - 75) / (100 - 75))  # no domain is left out here
    none = headroom({"search": outcome(9)}, {"search": outcome(8)}, {"search": outcome(8)})
    assert [h.captured for h in none] == [None, None, None]
    assert none[1].why == "no domain has headroom"


def test_an_interval_over_a_doubtful_headroom_is_unbounded_not_wild() -> None:
    teacher = {str(i): i < 52 if i >= 4 else False for i in range(100)}  # 48 of 100 against 47: could be none
    sft = {str(i): 5 <= i < 52 for i in range(100)}
    own = headroom({"search": sft}, {"search": teacher}, {"search": teacher})[0]
    assert own.captured == pytest.approx(1.0)
    assert (own.low, own.high) == (None, None)
    assert "of resamples" in own.why


def everything(shift: int = 0) -> list[Score]:
    rows = []
    for domain in ("search", "science"):
        for model, passed in (("base", 1), ("sft", 40 + shift), (f"teachers/{domain}", 90), ("student", 80)):
            rows += scores(model, domain, passed)
    return [*rows, *scores("teachers/search", "science", 3)]


def test_a_teacher_counts_in_its_own_domain_only() -> None:
    rows = by_role(everything())
    assert {s.model for s in rows} == {"base", "sft", "teacher", "student"}
    assert sum(s.model == "teacher" for s in rows) == 200


def test_scores_become_the_whole_table_and_survive_disk() -> None:
    table = evaluate_scores(everything())
    assert {(c.model, c.baseline) for c in table.comparisons} == {
        ("sft", "base"), ("teacher", "sft"), ("student", "sft"), ("student", "teacher"),
    }  # fmt: skip
    assert [h.captured for h in table.headroom] == pytest.approx([0.8, 0.8, 0.8, 0.8])
    assert from_json(as_json(table), type(table)) == table
    assert evaluate_scores(everything()) == table


def test_models_that_are_missing_leave_the_rest_of_the_table() -> None:
    table = evaluate_scores(s for s in everything() if s.model in ("base", "sft"))
    assert len(table.summaries) == 6
    assert {c.model for c in table.comparisons} == {"sft"}
    assert table.headroom == ()
    assert evaluate_scores([]).summaries == ()


def test_seeds_are_averaged_with_the_t_interval() -> None:
    tables = [evaluate_scores(everything(shift)) for shift in (-5, 0, 10)]
    found = {(s.quantity, s.model, s.domain): s for s in across_seeds(tables)}
    sft = found["rate", "sft", "mean"]
    theirs = stats.t.interval(0.95, 2, loc=stats.tmean([0.35, 0.4, 0.5]), scale=stats.sem([0.35, 0.4, 0.5]))
    assert (sft.seeds, sft.low, sft.high) == (3, pytest.approx(theirs[0]), pytest.approx(theirs[1]))
    assert found["difference", "student - sft", "search"].mean == pytest.approx(0.8 - 1.25 / 3)
    assert ("headroom", "student", MEAN_OF_RATIOS) in found
    assert across_seeds(tables[:1])[0].low is None


def test_the_final_table_reads_well_as_markdown_and_in_the_terminal() -> None:
    from rich.console import Console

    table = evaluate_scores(everything())
    lines = as_markdown(table).splitlines()
    assert lines[0] == "| domain | tasks | base | SFT | teacher | student | captured |"
    assert lines[2].startswith("| search | 100 | 1.0 [0.2, 5.4] | 40.0 [30.9, 49.8] | 90.0 [82.6, 94.5] |")
    assert lines[-1].startswith("| **mean** | **200** |")
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(as_rich(table))
    assert "90.0 [82.6, 94.5]" in console.export_text()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_no_outcome_breaks_the_table(rows: list[tuple[bool, bool, bool]]) -> None:
    found = evaluate_scores(
        score(m, "search", i, row[k])
        for i, row in enumerate(rows)
        for k, m in enumerate(("sft", "teacher", "student"))
    )
    assert all(s.low <= s.mean <= s.high for s in found.summaries)
    assert all(c.low <= c.difference <= c.high for c in found.comparisons)
    assert all(h.captured is not None or h.why for h in found.headroom)
    as_markdown(found)


def test_statistics_import_without_numpy_or_scipy() -> None:
    code = "import sys, openhorizon.evaluation.tables; assert not {'numpy', 'scipy', 'torch', 'rich'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
