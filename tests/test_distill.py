"""Distillation: routing is hard and checked, a student is its own perfect teacher, another teacher is approached."""

import copy
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import tiny
import torch
from torch import nn
from towns import TOWNS, graph_of, resources_of

from openhorizon.chat.chat import Chat
from openhorizon.config import DistillPlan, Optim
from openhorizon.domains.domain import Domain
from openhorizon.errors import ConfigError, EngineError, ModelError
from openhorizon.records import Limits, Sample, Split, Task
from openhorizon.rollout.play import Setting
from openhorizon.training.aligning import align, scored, step_weights
from openhorizon.training.coverage import CoverageAlarm, Probe
from openhorizon.training.distill import distill, limited, prompts
from openhorizon.training.model import load_model
from openhorizon.training.scoring import Teachers, check_routing, score_local, self_test
from openhorizon.training.sft import Watch
from openhorizon.training.signals import Signal, SignalCache, pack, unpack

VILLAGES = replace(TOWNS, name="villages")
DOMAINS: dict[str, Domain] = {"towns": TOWNS, "villages": VILLAGES}
SHORT = Limits(turns=2, response_tokens=12, context_tokens=200)
STILL = Optim(lr=1e-3, schedule="constant", warmup_ratio=0.0, weight_decay=0.0)
PLAN = DistillPlan(steps=2, prompts_per_domain=3, k=8, optim=STILL, checkpoint_every=0)


def pools() -> dict[str, list[Task]]:
    found = [msgspec.structs.replace(t, limits=SHORT) for t in tiny.tasks()]
    return {
        "towns": found,
        "villages": [
            msgspec.structs.replace(t, domain="villages", id=f"villages/{n}") for n, t in enumerate(found)
        ],
    }


def folders(tmp_path: Path, **seeds: int) -> dict[str, Path]:
    return {name: tiny.save(tiny.model(seed), tmp_path / name) for name, seed in seeds.items()}


def load(folder: Path) -> nn.Module:
    return load_model(folder, tiny.PLAN)


def vocabulary(folder: Path) -> Mapping[str, int]:
    return Chat.load(folder).tokenizer.get_vocab()


def test_a_domain_without_a_teacher_is_refused_before_the_first_step(tmp_path: Path):
    teachers = folders(tmp_path, towns=0)
    mine = vocabulary(teachers["towns"])
    check_routing(["towns"], teachers, mine, vocabulary)
    with pytest.raises(
        ConfigError, match=r"domain villages has no teacher \(teachers: towns\); add one or drop the domain"
    ):
        check_routing(["towns", "villages"], teachers, mine, vocabulary)
    with pytest.raises(ModelError, match="no teacher for domain villages; there are towns"):
        Teachers(load, teachers).load("villages")


def test_a_teacher_with_another_vocabulary_is_refused_before_the_first_step(tmp_path: Path):
    teachers = folders(tmp_path, towns=0)
    mine = dict(vocabulary(teachers["towns"]))
    other = {**mine, " Amber": mine["!"], "!": mine[next(iter(mine))]}
    with pytest.raises(ModelError, match=r"another vocabulary than the student .* needs the same tokenizer"):
        check_routing(["towns"], teachers, other, vocabulary)


@pytest.mark.parametrize(("resident", "loads"), [(1, 3), (2, 2)])
def test_at_most_as_many_teachers_as_asked_are_resident(tmp_path: Path, resident: int, loads: int):
    opened: list[Path] = []

    def counted(folder: Path) -> nn.Module:
        opened.append(folder)
        return load(folder)

    teachers = Teachers(counted, folders(tmp_path, towns=1, villages=2), resident)
    ids = torch.tensor([tiny.sample(12, seed=0).token_ids])
    for name, seed in (("towns", 1), ("villages", 2), ("villages", 2), ("towns", 1)):
        loaded = teachers.load(name)
        assert torch.equal(loaded(input_ids=ids).logits, tiny.model(seed)(input_ids=ids).logits)
        assert not any(p.requires_grad for p in loaded.parameters())
        assert len(teachers._here) <= resident
    assert len(opened) == loads


def aligned(
    student: nn.Module,
    teachers: Teachers,
    samples: list[Sample],
    plan: DistillPlan = PLAN,
    share: float = 1.0,
) -> dict[str, tuple[float, float]]:
    """One step over the samples, gradients accumulated."""
    teachers.keep_hidden = plan.objective == "full"
    signals = [s for s in scored(teachers, samples, plan.k) if s is not None]
    weights, _ = step_weights(samples, plan, Watch())
    probe = Probe.of(samples, ["finished"] * len(samples), share, "0")
    return align(student, teachers, samples, signals, weights, plan, probe)


def test_each_sample_is_scored_by_its_own_domains_teacher_alone(tmp_path: Path):
    student = tiny.model(0)
    teachers = Teachers(load, folders(tmp_path, towns=0, villages=2))
    samples = [
        tiny.sample(14, seed=n, domain=d) for n, d in enumerate(("villages", "towns", "villages", "towns"))
    ]
    values = aligned(student, teachers, samples)
    assert values["sva/towns"][0] == pytest.approx(0, abs=1e-5)
    assert values["sva/villages"][0] / values["sva/villages"][1] > 0.05
    assert values["sva/towns"][1] == values["sva/villages"][1] == 14
    for name in DOMAINS:
        total, count = values[f"coverage/{name}"]
        assert 0 < total / count <= 1
    with pytest.raises(ModelError, match="no teacher for domain stars"):
        scored(teachers, [tiny.sample(8, seed=0, domain="stars")], PLAN.k)


def test_the_loss_of_a_step_is_the_mean_over_tokens_then_samples_then_domains(tmp_path: Path):
    student = tiny.model(0)
    teachers = Teachers(load, folders(tmp_path, towns=1, villages=2))
    samples = [tiny.sample(n, seed=n, domain=d) for n, d in ((9, "towns"), (20, "towns"), (13, "villages"))]

    def loss_of(chosen: list[Sample]) -> float:
        return aligned(student, teachers, chosen)["loss"][0]

    a, b, c = (loss_of([s]) for s in samples)
    assert loss_of(samples) == pytest.approx((a + b) / 4 + c / 2, rel=1e-4)
    assert loss_of(samples[:2]) == pytest.approx((a + b) / 2, rel=1e-4)


def run(
    student, teachers: Teachers, plan: DistillPlan, seed: int = 0, checkpoint: Path | None = None
) -> list[dict[str, float]]:
    logged: list[dict[str, float]] = []
    watch = Watch(log=lambda step, values: logged.append(values), checkpoint=checkpoint)
    resources = resources_of(graph_of())
    assert (
        distill(
            student,
            teachers,
            tiny.chat(),
            pools(),
            DOMAINS,
            Setting(resources),
            plan,
            seed=seed,
            watch=watch,
        )
        == plan.steps
    )
    return logged


def test_a_student_that_is_its_own_teacher_has_no_loss_and_keeps_its_weights(tmp_path: Path):
    student = tiny.model(0)
    teachers = Teachers(load, folders(tmp_path, towns=0, villages=0))
    before = copy.deepcopy(student.state_dict())
    # AdamW takes the sign of a gradient, even of one that is rounding alone: what must be zero is the gradient
    logged = run(
        student, teachers, msgspec.structs.replace(PLAN, optim=msgspec.structs.replace(STILL, lr=1e-12))
    )
    for values in logged:
        assert values["loss"] == pytest.approx(0, abs=1e-6)
        assert values["gradient_norm"] < 1e-4
    for name, tensor in student.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=1e-8)


@pytest.mark.parametrize("direction", ["reverse", "forward", "jensen_shannon"])
def test_distillation_brings_the_student_closer_to_its_teachers(tmp_path: Path, direction: str):
    student = tiny.model(0, init_std=0.1)
    paths = {n: tiny.save(tiny.model(5, init_std=0.1), tmp_path / n) for n in DOMAINS}
    teachers = Teachers(load, paths)
    optim = Optim(lr=2e-2, schedule="constant", warmup_ratio=0.0, weight_decay=0.0)
    plan = msgspec.structs.replace(PLAN, steps=8, optim=optim, direction=direction)
    logged = run(student, teachers, plan)
    assert logged[-1]["loss"] < 0.7 * logged[0]["loss"]
    assert {"sva/towns", "sva/villages", "coverage/towns", "success/towns"} <= set(logged[0])
    # the teachers are as they were
    assert torch.equal(
        teachers.load("towns").get_input_embeddings().weight,
        tiny.model(5, init_std=0.1).get_input_embeddings().weight,
    )  # type: ignore[operator]


def test_a_stopped_distillation_goes_on_as_if_it_had_never_been(tmp_path: Path):
    paths = folders(tmp_path, towns=1, villages=2)
    plan = msgspec.structs.replace(PLAN, steps=3, checkpoint_every=2)
    straight, again = tiny.model(0), tiny.model(0)
    run(straight, Teachers(load, paths), plan)
    file = tmp_path / "checkpoint.pt"
    run(again, Teachers(load, paths), plan, checkpoint=file)  # leaves the state after step 2
    fresh = tiny.model(7)
    assert len(run(fresh, Teachers(load, paths), plan, checkpoint=file)) == 1
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, fresh.state_dict()[name]), name


def made(domain: str, count: int) -> list[Task]:
    return [
        Task(id=f"{domain}/{n}", domain=domain, split=Split.TRAIN, instruction=f"{domain} {n}", answer="")
        for n in range(count)
    ]


def test_the_prompts_of_a_step_are_unique_balanced_and_the_same_for_the_same_seed():
    shuffle = random.Random(0)
    for _ in range(40):
        need = shuffle.randint(1, 12)
        tasks = {d: made(d, shuffle.randint(need, 30)) for d in ("a", "b")}
        plan = DistillPlan(prompts_per_domain=need)
        for step in range(20):
            chosen = prompts(tasks, plan, 3, step)
            assert len({t.instruction for t in chosen}) == len(chosen)
            assert [t.domain for t in chosen] == ["a"] * need + ["b"] * need
            assert chosen == prompts(tasks, plan, 3, step)
    assert prompts(tasks, plan, 3, 0) != prompts(tasks, plan, 4, 0)


def test_every_prompt_comes_once_in_every_epoch_also_where_steps_cross_it():
    tasks, plan = {"a": made("a", 7)}, DistillPlan(prompts_per_domain=5)
    said = [t.instruction for step in range(14) for t in prompts(tasks, plan, 0, step)]
    epochs = [said[n : n + 7] for n in range(0, 70, 7)]
    for epoch in epochs:
        assert len(set(epoch)) == 7
    assert len({tuple(e) for e in epochs}) > 5


def test_a_prompt_that_stands_twice_in_the_pool_is_one_prompt():
    tasks = {"a": [*made("a", 4), *made("a", 4)]}
    assert len(prompts(tasks, DistillPlan(prompts_per_domain=8), 0, 0)) == 4


def test_the_plans_budgets_come_before_the_tasks_and_the_domains():
    task = tiny.tasks()[0]
    assert limited(task, TOWNS, DistillPlan()).limits == TOWNS.limits
    plan = DistillPlan(turns=2, response_tokens=7, context_tokens=99)
    assert limited(task, TOWNS, plan).limits == Limits(turns=2, response_tokens=7, context_tokens=99)
    own = msgspec.structs.replace(task, limits=SHORT)
    assert limited(own, TOWNS, DistillPlan(turns=1)).limits == msgspec.structs.replace(SHORT, turns=1)


def test_the_weights_count_the_samples_of_every_process():
    samples = [tiny.sample(10, seed=n, domain=d) for n, d in enumerate(("towns", "towns", "villages"))]

    class Two:
        """The second of two processes, whose peer holds one village row of 4 written tokens."""

        rank = 1

        def gather(self, value: object) -> list[object]:
            return [[("villages", 4)], value]

    weights, tokens = step_weights(samples, PLAN, Watch(ranks=Two()))  # type: ignore[arg-type]
    assert tokens == 19
    assert weights == pytest.approx([1 / (2 * 2 * 5), 1 / (2 * 2 * 5), 1 / (2 * 2 * 5)])
    for balance, wanted in {
        "domain_token": [1 / (2 * 10), 1 / (2 * 10), 1 / (2 * 9)],
        "token": [1 / 19] * 3,
        "sample": [1 / (4 * 5)] * 3,
    }.items():
        plan = msgspec.structs.replace(PLAN, balance=balance)
        found, _ = step_weights(samples, plan, Watch(ranks=Two()))  # type: ignore[arg-type]
        assert found == pytest.approx(wanted)


def test_a_domain_may_have_a_quota_of_its_own():
    tasks = {d: made(d, 20) for d in ("a", "b", "c")}
    plan = DistillPlan(prompts_per_domain=4, quotas={"b": 7, "c": 0})
    assert [t.domain for t in prompts(tasks, plan, 0, 0)] == ["a"] * 4 + ["b"] * 7


@pytest.mark.parametrize("objective", ["salient", "sampled_token", "full"])
@pytest.mark.parametrize("mass_term", ["none", "bernoulli"])
def test_every_objective_brings_the_student_closer(tmp_path: Path, objective: str, mass_term: str):
    student = tiny.model(0, init_std=0.1)
    teachers = Teachers(load, {n: tiny.save(tiny.model(5, init_std=0.1), tmp_path / n) for n in DOMAINS})
    plan = msgspec.structs.replace(PLAN, objective=objective, mass_term=mass_term, k=200)
    samples = [tiny.sample(30, seed=n, domain=d) for n, d in enumerate(("towns", "villages") * 3)]
    optimiser = torch.optim.Adam(student.parameters(), 1e-2)
    wide = msgspec.structs.replace(PLAN, objective="full")  # what all of them are judged by

    def distance() -> float:
        loss = aligned(student, teachers, samples, wide)["loss"][0]
        optimiser.zero_grad()
        return loss

    before = distance()
    for _ in range(12):
        aligned(student, teachers, samples, plan)
        optimiser.step()
        optimiser.zero_grad()
    if (
        objective == "sampled_token"
    ):  # random tokens, not the student's own: its estimate means nothing here, it only runs
        assert distance() != before
    else:
        assert distance() < 0.8 * before


def test_the_whole_vocabulary_as_support_is_the_full_objective(tmp_path: Path):
    student = tiny.model(0)
    teachers = Teachers(load, folders(tmp_path, towns=1, villages=2))
    samples = [tiny.sample(14, seed=n, domain=d) for n, d in enumerate(("towns", "villages"))]
    found = []
    for change in ({"objective": "full"}, {"k": 10_000}):
        student.zero_grad()
        loss = aligned(student, teachers, samples, msgspec.structs.replace(PLAN, **change))["loss"][0]
        found.append((loss, [p.grad.clone() for p in student.parameters() if p.grad is not None]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    for a, b in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


def test_the_self_test_passes_for_a_model_and_fails_where_its_logits_are_not_its_heads():
    self_test(tiny.model(0), 8)

    class Scaled(nn.Module):
        """A model that scales its logits after the head, as some do."""

        def __init__(self, inner: nn.Module):
            super().__init__()
            self.inner, self.config = inner, inner.config

        def get_decoder(self) -> nn.Module:
            return self.inner.get_decoder()  # type: ignore[operator]

        def get_output_embeddings(self) -> nn.Module:
            return self.inner.get_output_embeddings()  # type: ignore[operator]

        def forward(self, **given: object) -> object:
            out = self.inner(**given)
            out.logits = out.logits * 0.5
            return out

    with pytest.raises(ModelError, match="self-test"):
        self_test(Scaled(tiny.model(0, init_std=0.5)), 8)


def test_the_coverage_of_a_random_share_is_unbiased_and_broken_down(tmp_path: Path):
    student = tiny.model(0)
    teachers = Teachers(load, folders(tmp_path, towns=1, villages=2))
    samples = [tiny.sample(60, seed=n, domain=d) for n, d in enumerate(("villages", "towns") * 3)]
    signals = [s for s in scored(teachers, samples, PLAN.k) if s is not None]
    statuses = ["finished", "truncated"] * 3

    def measured(share: float, seed: str) -> dict[str, tuple[float, float]]:
        probe = Probe.of(samples, statuses, share, seed)
        return align(student, teachers, samples, signals, [0.0] * 6, PLAN, probe)

    whole = measured(1.0, "0")
    exact = whole["coverage/towns"][0] / whole["coverage/towns"][1]
    assert whole["coverage/towns"][1] == 90
    assert sum(whole[f"coverage_by_position/{n}"][1] for n in range(10)) == 180
    assert whole["coverage_by_status/truncated"] == whole["coverage/towns"]
    assert {"teacher_mass/towns", "top1/towns", "overlap/villages", "sva/towns"} <= set(whole)
    means = []
    for n in range(60):
        part = measured(0.1, str(n))["coverage/towns"]
        assert part[1] == 9
        means.append(part[0] / 9)
    mean = sum(means) / 60
    spread = (sum((m - mean) ** 2 for m in means) / 59 / 60) ** 0.5
    assert abs(mean - exact) < 4 * spread
    assert spread > 0


def test_the_proxy_from_the_rollouts_log_probabilities_is_the_coverage(tmp_path: Path):
    student = tiny.model(0)
    teachers = Teachers(load, folders(tmp_path, towns=1))
    bare = tiny.sample(40, seed=3)
    (own,) = score_local(
        student, [bare], 1, "student"
    )  # what a rollout records: the log-probability of each token
    written = iter(own.sampled_N.tolist())
    logprobs = tuple(next(written) if m else 0.0 for m in bare.loss_mask)
    values = aligned(student, teachers, [msgspec.structs.replace(bare, logprobs=logprobs)])
    exact, proxy = (values[f"{name}/towns"] for name in ("coverage", "coverage_proxy"))
    assert exact[1] == proxy[1] == 20
    assert proxy[0] == pytest.approx(exact[0], rel=1e-4)
    assert "coverage_proxy/towns" not in aligned(student, teachers, [bare])
    written_under_top_p = msgspec.structs.replace(bare, logprobs=logprobs)
    signals = [s for s in scored(teachers, [written_under_top_p], PLAN.k) if s is not None]
    probe = Probe.of([written_under_top_p], ["finished"], 1.0, "0", whole=False)
    assert "coverage_proxy/towns" not in align(
        student, teachers, [written_under_top_p], signals, [1.0], PLAN, probe
    )


def test_the_alarm_rings_once_when_coverage_falls_while_the_loss_falls():
    def heard(pairs: list[tuple[float, float]]) -> list[int]:
        alarm = CoverageAlarm()
        return [n for n, (rho, loss) in enumerate(pairs) if alarm.hear("towns", rho, loss)]

    falling = [(0.9 - 0.01 * n, 1.0 - 0.02 * n) for n in range(40)]
    assert len(heard(falling)) == 1
    assert heard([(0.9 - 0.01 * n, 1.0 + 0.02 * n) for n in range(40)]) == []  # both get worse: no riddle
    assert heard([(0.5 + 0.01 * n, 1.0 - 0.02 * n) for n in range(40)]) == []
    assert heard([(0.9 - 0.02 * (n % 2), 1.0 - 0.02 * n) for n in range(40)]) == []  # noise
    # it recovers and falls again: a second alarm
    assert len(heard([*falling, *[(1.0, 0.2)] * 60, *[(0.6, 0.1)] * 60])) == 2


def test_a_budget_of_the_students_tokens_ends_the_run_and_its_schedule(tmp_path: Path):
    plan = msgspec.structs.replace(PLAN, steps=50, student_tokens=150)
    paths = folders(tmp_path, towns=1, villages=2)
    logged: list[dict[str, float]] = []
    steps = distill(
        tiny.model(0), Teachers(load, paths), tiny.chat(), pools(), DOMAINS, Setting(resources_of(graph_of())), plan,
        seed=0, watch=Watch(log=lambda step, values: logged.append(values)),
    )  # fmt: skip
    assert steps == len(logged) < 50
    assert logged[-1]["tokens"] >= 150 > logged[-2]["tokens"]


def test_attempts_that_no_teacher_could_score_are_left_out_and_counted(tmp_path: Path):
    class Flaky(Teachers):
        def score(self, domain: str, samples: list[Sample], k: int) -> list:  # type: ignore[override]
            found = super().score(domain, samples, k)
            return [None if n == 0 or domain == "villages" else s for n, s in enumerate(found)]

    paths = folders(tmp_path, towns=1, villages=2)
    (values, *_) = run(tiny.model(0), Flaky(load, paths), PLAN)
    assert values["aborted"] == 4  # one of three in towns, all three in villages
    assert "sva/villages" not in values
    assert values["success/towns"] in (0.0, 0.5, 1.0)

    class Dead(Teachers):
        def score(self, domain: str, samples: list[Sample], k: int) -> list:  # type: ignore[override]
            return [None for _ in samples]

    with pytest.raises(EngineError, match="not one attempt could be played and scored"):
        run(tiny.model(0), Dead(load, paths), PLAN)


class Asked:
    """A server's stand-in that counts what it is asked."""

    revision, vocabulary = "server:1", None

    def __init__(self, model: nn.Module):
        self.model, self.rows = model, 0

    def score(self, samples: Sequence[Sample], k: int) -> list[Signal | None]:
        self.rows += len(samples)
        return [unpack(pack(s)) for s in score_local(self.model, samples, k, self.revision)]


def test_the_full_divergence_needs_the_teachers_here(tmp_path: Path):
    teachers = Teachers(
        load, {"towns": folders(tmp_path, towns=1)["towns"], "villages": Asked(tiny.model(2))}
    )
    with pytest.raises(
        ConfigError, match=r"objective=full needs the teachers' hidden states, and villages is on a server"
    ):
        run(tiny.model(0), teachers, msgspec.structs.replace(PLAN, objective="full"))


def test_a_step_that_is_repeated_asks_a_server_nothing_twice_and_learns_the_same(tmp_path: Path):
    plan = msgspec.structs.replace(PLAN, steps=3, checkpoint_every=2)
    places = {"towns": Asked(tiny.model(1)), "villages": Asked(tiny.model(2))}

    class Killed(Exception):
        pass

    def trained(cache: SignalCache | None, kill_at: int | None, checkpoint: Path | None) -> nn.Module:
        def log(step: int, values: dict[str, float]) -> None:
            if step == kill_at:
                raise Killed

        student = tiny.model(0)
        distill(
            student, Teachers(load, places, cache=cache), tiny.chat(), pools(), DOMAINS, Setting(resources_of(graph_of())), plan,
            seed=0, watch=Watch(log=log, checkpoint=checkpoint),
        )  # fmt: skip
        return student

    straight = trained(None, None, None)
    whole = sum(p.rows for p in places.values())
    assert whole == 18
    with pytest.raises(Killed):  # step 2 is scored, and killed before it is kept
        trained(SignalCache(tmp_path / "signals"), 2, tmp_path / "checkpoint.pt")
    assert sum(p.rows for p in places.values()) == 2 * whole
    again = trained(SignalCache(tmp_path / "signals"), None, tmp_path / "checkpoint.pt")
    assert sum(p.rows for p in places.values()) == 2 * whole
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
