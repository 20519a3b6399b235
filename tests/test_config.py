"""The recipe: overrides, ranges, contradictions, the round trip."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from openhorizon.config import (
    DistillPlan,
    DomainPlan,
    GrpoStage,
    Optim,
    Recipe,
    RolloutPlan,
    SftPlan,
    SftStage,
    TeacherPlan,
    to_json,
)
from openhorizon.errors import ConfigError, UserError
from openhorizon.recipes.demo import demo
from openhorizon.records import Split, Task
from openhorizon.settings import describe, differences, flatten, from_json, override, validate


def recipe(**changes) -> Recipe:
    parts = {
        "name": "test",
        "domains": {"search": DomainPlan(), "science": DomainPlan(train=50, demonstrations=10)},
        "teachers": {
            "search": TeacherPlan(stages=(SftStage(), GrpoStage(steps=3))),
            "science": TeacherPlan(),
        },
    }
    return Recipe(**(parts | changes))


def mistake(setting: str) -> str:
    with pytest.raises(ConfigError) as caught:
        override(recipe(), [setting])
    return str(caught.value)


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("sft.steps=300", lambda r: r.sft.steps == 300),
        ("sft.optim.lr=3e-4", lambda r: r.sft.optim.lr == 3e-4),
        ("sft.optim.lr=1", lambda r: r.sft.optim.lr == 1.0 and isinstance(r.sft.optim.lr, float)),
        ("domains.search.train=500", lambda r: r.domains["search"].train == 500),
        ("domains.search.levels=1,1, 2", lambda r: r.domains["search"].levels == (1, 1, 2)),
        ("teachers.search.stages.1.group=4", lambda r: r.teachers["search"].stages[1].group == 4),
        ("teachers.search.stages.1.dynamic_sampling=no", lambda r: r.teachers["search"].stages[1].dynamic_sampling is False),
        ("model.base=/models/a=b", lambda r: r.model.base == "/models/a=b"),
        ('model.base=""', lambda r: r.model.base == ""),
        ("corpus=pages/", lambda r: r.corpus == "pages/"),
        ("rollout.urls=http://a:8000/v1, http://b:8000", lambda r: r.rollout.urls == ("http://a:8000/v1", "http://b:8000")),
        ("corpus=none", lambda r: r.corpus is None),
        ("graph=postgresql://me@server/graph", lambda r: r.graph == "postgresql://me@server/graph"),
        ("size=full", lambda r: r.size == "full"),
        ("name=7", lambda r: r.name == "7"),
        (" seed = 5 ", lambda r: r.seed == 5),
    ],
)  # fmt: skip
def test_a_setting_is_read_by_the_type_that_stands_at_its_path(setting, read):
    assert read(override(recipe(), [setting]))


def test_an_override_leaves_everything_else_and_the_original_as_they_were():
    before = recipe()
    after = override(before, ["domains.search.train=7"])
    assert differences(before, after) == ["domains.search.train: 500 -> 7"]
    assert before == recipe()


def test_later_settings_win():
    assert override(recipe(), ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("sft.stps=1", ["sft.stps", "did you mean steps"]),
        ("domains.serch.train=1", ["serch", "did you mean search"]),
        ("zzz=1", ["zzz", "there are: name, seed"]),
        ("teachers.search.stages.9.group=4", ["'9'", "0, 1"]),
        ("sft=3", ["sft holds several values", "sft.steps"]),
        ("teachers.search.stages=3", ["stages.0"]),
        ("seed.x=1", ["nothing below seed", "(0)"]),
        ("sft.steps", ["path=value"]),
        ("=3", ["path=value"]),
        ("sft.steps=abc", ["sft.steps=abc", "whole number", "at least 0"]),
        ("sft.steps=1.5", ["sft.steps=1.5", "whole number"]),
        ("sft.steps=-1", ["sft.steps=-1", "at least 0"]),
        ("sft.steps=", ["whole number"]),
        ("sft.checkpoint_every=true", ["whole number"]),
        ("sft.optim.lr=0", ["above 0"]),
        ("sft.optim.lr=nan", ["a number"]),
        ("sft.optim.weight_decay=inf", ["a number"]),
        ("model.dtype=float16", ["float32", "bfloat16"]),
        ("domains.search.levels=1,x", ["commas", "whole number"]),
        ("domains.search.levels=0", ["at least 1"]),
        ("teachers.search.stages.1.dynamic_sampling=perhaps", ["true or false"]),
        ("teachers.search.stages.1.group=1", ["at least 2"]),
    ],
)
def test_a_wrong_setting_says_what_is_allowed(setting, words):
    text = mistake(setting)
    assert all(word in text for word in words), text


def test_a_config_error_is_a_users_error():
    assert issubclass(ConfigError, UserError)


def test_a_sound_recipe_is_valid_and_comes_back_as_it_is():
    assert validate(recipe()) == recipe()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sft": SftPlan(steps=-1)}, ["sft.steps=-1", "at least 0"]),
        ({"sft": SftPlan(optim=Optim(lr=float("nan")))}, ["sft.optim.lr=nan"]),
        ({"sft": SftPlan(epochs=0.0)}, ["sft.steps and sft.epochs"]),
        ({"sft": DistillPlan()}, ["unknown field", "sft"]),
        ({"seed": "3"}, ["seed=3", "whole number"]),
        ({"domains": {}}, ["domains is empty"]),
        ({"rollout": RolloutPlan(urls=("http://me:secret@host",))}, ["rollout.urls", "http://HOST:PORT"]),
        ({"rollout": RolloutPlan(urls=("http://a",), mode="message")}, ["rollout.mode=message", "token ids"]),
        ({"rollout": RolloutPlan(folder="/shared")}, ["rollout.folder", "rollout.urls"]),
        ({"teachers": {"search": TeacherPlan(stages=(GrpoStage(steps=4, staleness=4),))}},
         ["teachers.search.stages.0.staleness=4", "steps=4"]),
        ({"domains": {"search": DomainPlan(levels=())}}, ["domains.search.levels"]),
        ({"domains": {"search": DomainPlan(levels=(0,))}}, ["domains.search.levels=0"]),
        ({"domains": {"search": DomainPlan(train=5, demonstrations=6)}}, ["domains.search.demonstrations=6", "train=5"]),
        ({"domains": {"search": DomainPlan(heldout=9)}}, ["evaluation.tasks=200", "heldout=9"]),
        ({"domains": {"search": DomainPlan(demonstrations=0)}}, ["no domain has demonstrations"]),
        ({"teachers": {}}, ["domain search has no teacher", "domain science has no teacher"]),
        ({"domains": {"search": DomainPlan()}}, ["teachers.science", "does not have"]),
        ({"teachers": {"search": TeacherPlan(stages=(SftStage(epochs=0.0),)), "science": TeacherPlan()}}, ["stages.0"]),
        ({"distill": DistillPlan(k=5000)}, ["distill.k=5000", "model.vocabulary=2048"]),
        ({"sft": SftPlan(max_length=5000)}, ["sft.max_length=5000", "model.context=1024"]),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_run_is_refused_with_the_path(changes, words):
    with pytest.raises(ConfigError) as caught:
        validate(recipe(**changes))
    assert all(word in str(caught.value) for word in words), caught.value


def test_the_shape_of_the_tiny_model_must_fit_together():
    with pytest.raises(ConfigError) as caught:
        validate(override(recipe(), ["model.heads=3", "model.experts=1"]))
    assert all(
        word in str(caught.value) for word in ("model.width=128", "model.kv_heads=4", "active_experts=2")
    )


def test_a_given_base_model_is_not_held_to_the_tiny_models_numbers():
    assert validate(override(recipe(), ["model.base=/m", "distill.k=5000", "sft.max_length=131072"]))


def test_no_teachers_are_needed_where_nothing_is_distilled():
    assert validate(override(recipe(teachers={}), ["distill.steps=0"]))


def test_json_brings_back_the_recipe_with_every_default_spelled_out():
    data = to_json(recipe())
    assert from_json(data) == recipe()
    assert msgspec.json.decode(data)["distill"]["optim"]["beta1"] == 0.9


@pytest.mark.parametrize("data", [b"", b"[]", b'{"name": "x"}', b'{"name": "x", "domains": {}, "speed": 1}'])
def test_json_that_is_not_a_recipe_is_a_config_error(data):
    with pytest.raises(ConfigError):
        from_json(data)


def test_every_line_of_the_description_is_itself_a_setting():
    lines = describe(recipe()).splitlines()
    assert len(lines) == len(flatten(recipe())) > 100
    assert override(recipe(), [line.replace(" = ", "=", 1) for line in lines]) == recipe()


def test_the_description_says_where_values_come_from():
    assert "sft.optim.lr = 1e-05  # section 4" in describe(recipe(), {"sft.optim.lr": "section 4"})
    with pytest.raises(ConfigError, match=r"sft.optim.rate.*sft.optim.lr"):
        describe(recipe(), {"sft.optim.rate": "section 4"})


def test_differences_name_parts_that_only_one_recipe_has():
    smaller = recipe(domains={"search": DomainPlan()})
    assert "domains.science.train: 50 -> (absent)" in differences(recipe(), smaller)
    assert "domains.science.train: (absent) -> 50" in differences(smaller, recipe())
    assert differences(recipe(), recipe()) == []


@given(st.text(max_size=30), st.text(max_size=20))
def test_whatever_is_set_is_applied_or_refused_with_a_config_error(path, value):
    for setting in (
        f"{path}={value}",
        f"sft.{path}={value}",
        f"sft.optim.lr={value}",
        f"domains.search.levels={value}",
    ):
        with suppress(ConfigError):
            assert isinstance(override(recipe(), [setting]), Recipe)


def test_a_dict_of_plain_values_takes_new_names_and_only_names_that_make_sense():
    recipe = override(demo(), ["distill.quotas.search=5", "distill.quotas.science=0"])
    assert recipe.distill.quotas == {"search": 5, "science": 0}
    assert "distill.quotas.search = 5" in describe(recipe).splitlines()
    validate(recipe)
    with pytest.raises(
        ConfigError, match=r"distill\.quotas\.serch is of a domain that the run does not have"
    ):
        validate(override(demo(), ["distill.quotas.serch=5"]))
    with pytest.raises(ConfigError, match=r"distill\.quotas\.search=x: must be a whole number"):
        override(demo(), ["distill.quotas.search=x"])
    with pytest.raises(ConfigError, match=r"set one of them: distill\.quotas\.NAME=3"):
        override(demo(), ["distill.quotas=3"])
    with pytest.raises(ConfigError, match="leaves no domain a prompt"):
        validate(override(demo(), [f"distill.quotas.{name}=0" for name in demo().domains]))


def test_settings_of_distillation_that_contradict_each_other_are_refused():
    for settings, said in (
        (["distill.objective=full", "distill.mass_term=bernoulli"], "of objective salient"),
        (["distill.objective=sampled_token", "distill.direction=forward"], "reverse KL alone"),
        (["distill.objective=sampled_token", "distill.top_p=0.9"], "the whole distribution"),
    ):
        with pytest.raises(ConfigError, match=said):
            validate(override(demo(), settings))


def test_evaluation_may_restart_attempts_of_some_domains():
    from openhorizon.domains import domain_of
    from openhorizon.jobs.evaluating import restarting

    recipe = override(demo(), ["evaluation.restarts.search=5"])
    assert recipe.evaluation.restarts == {"search": 5}
    with pytest.raises(
        ConfigError, match=r"evaluation\.restarts\.serch is of a domain that the run does not"
    ):
        validate(override(demo(), ["evaluation.restarts.serch=5"]))
    domain = domain_of("search", "full")
    task = Task(
        id="search/heldout/x", domain="search", split=Split.HELDOUT, instruction="?", answer="!",
        limits=structs.replace(domain.limits, folds=3, turns=300),
    )  # fmt: skip
    limits = restarting(task, domain, 5).limits
    assert limits is not None
    assert (limits.folds, limits.restarts, limits.turns) == (0, 5, 300)
