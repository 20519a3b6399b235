"""What is wrong across the values of a recipe: each problem one line with the path, the value and the mend."""

import re
from collections.abc import Iterable
from datetime import date
from urllib.parse import parse_qs, urlsplit

from msgspec import structs

from openhorizon.config.plans import DistillPlan, GrpoStage, ModelPlan, OwnPlan, Recipe, SftStage


def problems(recipe: Recipe) -> list[str]:
    """What is wrong across values: one line each, with the path, the value and the mend. Ranges are not looked at here."""
    parts = (
        _task_problems,
        _graph_problems,
        _cluster_problems,
        _served_problems,
        _search_problems,
        _teacher_problems,
        _model_problems,
        _rollout_problems,
    )
    return [line for part in parts for line in part(recipe)]


def _graph_problems(recipe: Recipe) -> list[str]:
    if recipe.graph is None:
        return []
    parts = urlsplit(recipe.graph)
    if parts.scheme != "postgresql":
        return [
            "graph is no address of PostgreSQL; write postgresql://USER@HOST/DATABASE, or none for a file"
        ]
    if parts.password is not None or "password" in parse_qs(parts.query):
        return [
            "graph holds a password, and recipes are written to disk; leave it out: PGPASSWORD or ~/.pgpass says it"
        ]
    return []


def _cluster_problems(recipe: Recipe) -> list[str]:
    plan = recipe.cluster
    if plan.workers and not plan.address:
        return [
            f"cluster.workers={plan.workers} is of a Ray: set cluster.address=local or auto too; processes of this machine "
            "alone are workers"
        ]
    if plan.address.startswith("ray://"):
        return [
            f"cluster.address={plan.address} is of Ray's client, and a run needs its folder on all machines: start "
            "openhorizon on a machine of the cluster, with cluster.address=auto"
        ]
    if plan.address not in ("", "local", "auto") and not re.fullmatch(r"[\w.\[\]:-]+:\d+", plan.address):
        return [f"cluster.address={plan.address} is none of local, auto and HOST:PORT"]
    return []


def _served_problems(recipe: Recipe) -> list[str]:
    found = []
    for name, plan in recipe.evaluation.served.items():
        path = f"evaluation.served.{name}"
        if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name) or name in (*OWN_ROWS, *recipe.domains):
            found.append(
                f"{path}: give the model another name, of letters, digits and dashes; {', '.join(OWN_ROWS)} and the domains' "
                "names are taken"
            )
        if not plan.urls:
            found.append(f"{path}.urls is empty; name a server, such as http://127.0.0.1:8000")
        found += [
            f"{path}.urls: {urlsplit(url).hostname or 'one'} is not a URL without query and secrets; write http://HOST:PORT, and "
            "put a key into OPENHORIZON_ENGINE_KEY"
            for url in plan.urls
            if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", url)  # a recipe is written to disk
        ]
        if plan.mode == "token" and not plan.tokenizer:
            found.append(f"{path}.mode=token needs {path}.tokenizer, the folder of the model's tokenizer")
    if not recipe.evaluation.own and not recipe.evaluation.served:
        found.append(
            "evaluation.own=false leaves nothing to evaluate; name a server: evaluation.served.NAME.urls=URL"
        )
    return found


OWN_ROWS = ("base", "sft", "teacher", "teachers", "student", "mean")  # names in the table


def _task_problems(recipe: Recipe) -> list[str]:
    found = []
    if not recipe.domains:
        found.append("domains is empty; a run needs at least one domain")
    for name, plan in recipe.domains.items():
        if not plan.levels:
            found.append(f"domains.{name}.levels is empty; name at least one level, such as 1,2,3")
        if plan.demonstrations > plan.train:
            found.append(
                f"domains.{name}.demonstrations={plan.demonstrations} is above domains.{name}.train={plan.train}; "
                "demonstrations are made from training tasks: raise train or lower demonstrations"
            )
        if plan.horizon == "long" and recipe.size != "full":
            found.append(
                f"domains.{name}.horizon=long needs size=full; a tiny model cannot hold such an attempt"
            )
        if recipe.evaluation.tasks > plan.heldout:
            found.append(
                f"evaluation.tasks={recipe.evaluation.tasks} is above domains.{name}.heldout={plan.heldout}; "
                "lower evaluation.tasks or raise heldout"
            )
    if not any(plan.demonstrations for plan in recipe.domains.values()) and recipe.domains:
        found.append("no domain has demonstrations; SFT needs some: raise domains.<name>.demonstrations")
    if not recipe.sft.steps and not recipe.sft.epochs:
        found.append("sft.steps and sft.epochs are both 0; set one of them")
    return found


def _search_problems(recipe: Recipe) -> list[str]:
    plan, found = recipe.search, []
    if plan.backend == "searxng" and not plan.url:
        found.append("search.backend=searxng needs search.url, such as http://localhost:8888")
    if plan.backend == "corpus" and plan.url:
        found.append("search.url is of a web back end; set search.backend=serper or searxng")
    if plan.backend != "corpus" and recipe.size == "mini":
        found.append(f"search.backend={plan.backend} is for real models: set size=full")
    if bool(plan.ask) != bool(plan.ask_model):
        found.append(
            "search.ask and search.ask_model go together: a server's URL and the name of a model there"
        )
    if plan.ask and recipe.size == "mini":
        found.append("search.ask is for real models: set size=full")
    if plan.scholar == "handbook" and plan.scholar_url:
        found.append("search.scholar_url is of a service; set search.scholar=semantic_scholar or arxiv")
    if plan.scholar != "handbook" and recipe.size == "mini":
        found.append(f"search.scholar={plan.scholar} is for real models: set size=full")
    for name in ("url", "ask", "scholar_url"):  # a recipe is written to disk
        url = getattr(plan, name)
        if url and not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", url):
            found.append(f"search.{name} is not a URL without query and secrets; write http://HOST:PORT")
    try:
        date.fromisoformat("2000-01-01" if plan.today in ("", "clock") else plan.today)
    except ValueError:
        found.append(f"search.today={plan.today} is no day; write YYYY-MM-DD, or clock")
    return found


def _teacher_problems(recipe: Recipe) -> list[str]:
    found = []
    for name in recipe.domains:
        if recipe.distill.steps and name not in recipe.teachers:
            found.append(
                f"domain {name} has no teacher, and distillation scores each prompt by its own domain's teacher; "
                f"add teachers.{name}, drop the domain, or set distill.steps=0"
            )
    found += _quota_problems(recipe.distill, list(recipe.domains))
    found += _named_problems("evaluation.restarts", recipe.evaluation.restarts, list(recipe.domains))
    for name, teacher in recipe.teachers.items():
        if name not in recipe.domains:
            found.append(
                f"teachers.{name} teaches a domain that the run does not have ({', '.join(recipe.domains)})"
            )
        for n, stage in enumerate(teacher.stages):
            if isinstance(stage, SftStage) and not stage.steps and not stage.epochs:
                found.append(f"teachers.{name}.stages.{n}: steps and epochs are both 0; set one of them")
    return found


def _model_problems(recipe: Recipe) -> list[str]:
    model, distill = recipe.model, recipe.distill
    found = _loss_problems(distill)
    if model.base:  # the folder's own config.json holds; nothing to compare with before it is opened
        return found
    if model.width % model.heads:
        found.append(f"model.width={model.width} is not a multiple of model.heads={model.heads}")
    wired = model.preset == "qwen3_moe" and model.prewired
    if wired and (model.kv_heads != model.heads or model.head_width < model.width // 2 or model.layers < 2):
        found.append(
            "model.prewired needs model.kv_heads = model.heads, model.head_width of at least half model.width and two "
            "layers; set these, or model.prewired=false"
        )
    if model.heads % model.kv_heads:
        found.append(f"model.heads={model.heads} is not a multiple of model.kv_heads={model.kv_heads}")
    if model.active_experts > model.experts:
        found.append(f"model.active_experts={model.active_experts} is above model.experts={model.experts}")
    if distill.k > model.vocabulary:
        found.append(f"distill.k={distill.k} is above model.vocabulary={model.vocabulary}; lower distill.k")
    lengths = {"sft.max_length": recipe.sft.max_length, "distill.context_tokens": distill.context_tokens}
    for name, teacher in recipe.teachers.items():
        lengths |= {
            f"teachers.{name}.stages.{n}.max_length": s.max_length for n, s in enumerate(teacher.stages)
        }
    for path, length in lengths.items():
        if length > model.context:
            found.append(
                f"{path}={length} is above model.context={model.context}; lower it or raise model.context"
            )
    return found


def _rollout_problems(recipe: Recipe) -> list[str]:
    plan, found = recipe.rollout, []
    for url in plan.urls:
        if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", url):
            found.append("rollout.urls holds no URL without query and secrets; write http://HOST:PORT")
    if plan.mode == "message":
        found.append("rollout.mode=message gives no token ids, which training needs; set rollout.mode=token")
    if not plan.urls and (plan.model or plan.folder):
        found.append("rollout.model and rollout.folder are of servers; name them in rollout.urls")
    for name, teacher in recipe.teachers.items():
        for n, stage in enumerate(teacher.stages):
            if isinstance(stage, GrpoStage) and stage.staleness >= stage.steps:
                found.append(
                    f"teachers.{name}.stages.{n}.staleness={stage.staleness} is not below steps={stage.steps}: all of the stage "
                    "would be played by the model that it starts from; lower staleness"
                )
    return found


def _named_problems(path: str, names: Iterable[str], domains: list[str]) -> list[str]:
    return [
        f"{path}.{name} is of a domain that the run does not have ({', '.join(domains)})"
        for name in names
        if name not in domains
    ]


def _quota_problems(distill: DistillPlan, domains: list[str]) -> list[str]:
    found = _named_problems("distill.quotas", distill.quotas, domains)
    if distill.steps and not any(distill.quotas.get(n, distill.prompts_per_domain) for n in domains):
        found.append("distill.quotas leaves no domain a prompt")
    return found


def _loss_problems(distill: DistillPlan) -> list[str]:
    found = []
    if distill.mass_term != "none" and distill.objective != "salient":
        found.append(
            f"distill.mass_term={distill.mass_term} is of objective salient, not of {distill.objective}"
        )
    if distill.objective == "sampled_token" and (distill.top_p < 1 or distill.top_k):
        found.append(
            "distill.objective=sampled_token needs tokens of the whole distribution: distill.top_p=1, distill.top_k=0"
        )
    if distill.direction != "reverse" and distill.objective == "sampled_token":
        found.append(
            f"distill.direction={distill.direction}: the sampled token estimates the reverse KL alone"
        )
    return found


def own_problems(own: OwnPlan, domains: Iterable[str]) -> list[str]:
    """What is wrong across the values of a distillation of these domains alone, as `problems` says it of a recipe."""
    distill, default = own.distill, ModelPlan()
    found = [*_quota_problems(distill, list(domains)), *_loss_problems(distill)]
    if not distill.steps:
        found.append("distill.steps=0 trains nothing; set it to 1 or more")
    for name, value in structs.asdict(own.model).items():
        if name not in ("dtype", "attention", "device") and value != getattr(default, name):
            found.append(
                f"model.{name} is of the model that a recipe makes; student and teachers are what their folders hold, and "
                "only model.dtype, model.attention and model.device can be set"
            )
    return found
