"""The recipe `paper` is complete, sound, and says of its values where they come from."""

from itertools import pairwise

from openhorizon.config import GrpoStage, SftStage
from openhorizon.domains import DOMAINS
from openhorizon.recipes.paper import SILENT, SOURCES, paper
from openhorizon.settings import describe, flatten, override, validate
from openhorizon.teachers import CURRICULA


def test_the_recipe_validates_and_stays_valid_after_a_setting():
    recipe = validate(paper())
    assert validate(override(recipe, ["distill.k=16"])).distill.k == 16


def test_it_prints_with_every_source_at_an_existing_path():
    text = describe(paper(), SOURCES)
    assert text.count("  # ") == len(SOURCES)
    assert "distill.k = 64" in text


def test_it_holds_the_numbers_that_the_paper_gives():
    values = flatten(paper())
    assert values["sft.optim.lr"] == 1e-5
    assert values["sft.optim.warmup_ratio"] == 0.05
    assert (values["sft.max_length"], values["sft.epochs"]) == (131_072, 1.0)
    search = paper().teachers["search"].stages[1]
    assert isinstance(search, GrpoStage)
    assert (search.clip_low, search.clip_high, search.kl, search.entropy) == (0.2, 0.28, 0.001, 0.0001)
    assert (search.prompts, search.group, search.tries, search.optim.lr) == (32, 8, 5, 1e-6)
    agentic = paper().teachers["agentic"].stages[1]
    assert isinstance(agentic, GrpoStage)
    assert (agentic.process_weight, agentic.tasks) == (0.5, 64)
    assert sum(plan.demonstrations for plan in paper().domains.values()) == 100_000


def test_it_has_all_domains_and_teachers_and_names_only_data_that_they_know():
    recipe = paper()
    assert set(recipe.domains) == set(recipe.teachers) == set(DOMAINS)
    for name, teacher in recipe.teachers.items():
        for stage in teacher.stages:
            assert stage.data in CURRICULA[name].extra or CURRICULA[name].select(stage.data)


def test_the_teachers_have_the_stages_of_the_paper():
    kinds = {n: tuple(type(s) for s in t.stages) for n, t in paper().teachers.items()}
    assert kinds["search"] == kinds["agentic"] == (SftStage, GrpoStage)
    assert kinds["science"] == (SftStage, SftStage)
    assert kinds["instructions"] == (GrpoStage, GrpoStage)
    assert all(
        s.dynamic_sampling for s in paper().teachers["instructions"].stages if isinstance(s, GrpoStage)
    )


def test_every_value_that_the_recipe_sets_apart_from_its_size_of_tasks_has_a_source():
    """What differs from the record's default was decided here, so it must say where it comes from."""
    from openhorizon.config import DistillPlan, EvaluationPlan, ModelPlan, SftPlan

    recipe = paper()
    for part, default in (
        ("sft", SftPlan()), ("distill", DistillPlan()), ("evaluation", EvaluationPlan()), ("model", ModelPlan()),
    ):  # fmt: skip
        own, usual = flatten(getattr(recipe, part)), flatten(default)
        unsaid = [p for p in own if own[p] != usual.get(p) and f"{part}.{p}" not in SOURCES]
        assert not unsaid, part


def test_what_is_ours_says_so():
    assert sum(SILENT in text or "ours" in text for text in SOURCES.values()) >= 30
    assert all(a != b for a, b in pairwise(sorted(SOURCES)))
