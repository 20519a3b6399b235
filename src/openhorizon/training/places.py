"""A user's models, by folder, name of the hub or URL: found, opened and looked at before the first step."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from openhorizon.config import ModelPlan
from openhorizon.errors import ConfigError, EngineError, ModelError
from openhorizon.records import Record, Sample
from openhorizon.training.model import load_model, merge
from openhorizon.training.remote import RemoteTeacher, connect
from openhorizon.training.signals import revision_of, vocabulary_identity

HUB = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")  # a name on the hub: "gpt2", "Qwen/Qwen3-1.7B"
# what must be the same for two models' weights to be merged
SHAPE = (
    "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "head_dim", "intermediate_size", "num_experts", "moe_intermediate_size",
)  # fmt: skip


class Address(Record, kw_only=True):
    """Where a teacher is, as a user writes it: a folder, a name of the hub, or `http://HOST:PORT,model=NAME,tokenizer=FOLDER`."""

    place: str  # without the options
    model: str = ""  # the name a vLLM server knows it by; "": its first
    tokenizer: str = ""  # folder or hub name of the tokenizer that a vLLM server's model has

    @classmethod
    def read(cls, domain: str, text: str) -> "Address":
        """ConfigError: an option that there is not."""
        if not text.startswith(("http://", "https://")):
            return cls(place=text)
        place, *options = text.split(",")
        given: dict[str, str] = {}
        for option in options:
            name, equals, value = option.partition("=")
            if name.strip() not in ("model", "tokenizer") or not equals or not value.strip():
                raise ConfigError(
                    f"the {domain} teacher {place}: {option!r} is not an option; there are model=NAME and tokenizer=FOLDER"
                )
            given[name.strip()] = value.strip()
        return cls(place=place.rstrip("/"), **given)

    @property
    def remote(self) -> bool:
        return self.place.startswith(("http://", "https://"))


def local_place(text: str) -> Path:
    """The folder, or the name of the hub, which transformers fetches. ModelError: it can be neither."""
    folder = Path(text).expanduser()
    if folder.is_dir():
        return folder
    if HUB.fullmatch(text):
        return Path(text)
    raise ModelError(
        f"there is no folder {text}; a model is a folder with config.json and weights, or a name of the hub such as "
        "Qwen/Qwen3-1.7B"
    )


def config_of(place: Path) -> Any:
    """The transformers configuration. ModelError: there is no model, or none that can be fetched."""
    from transformers import AutoConfig

    return _fetched(AutoConfig, place, "config.json and weights")


def vocabulary_of(place: Path) -> Mapping[str, int]:
    """Token to id. ModelError: no tokenizer there."""
    from transformers import AutoTokenizer

    return _fetched(AutoTokenizer, place, "tokenizer.json and tokenizer_config.json").get_vocab()


def _fetched(kind: Any, place: Path, needs: str) -> Any:
    try:
        return kind.from_pretrained(str(place))
    except (
        Exception
    ) as error:  # transformers raises a dozen types; all say that it is not there or is damaged
        first = (str(error).splitlines() or [type(error).__name__])[0]
        missing = "" if place.is_dir() else ", and no folder of that name is here"
        raise ModelError(f"{place} cannot be read ({first}){missing}; a model needs {needs}") from error


def revision_of_local(place: Path) -> str:
    """What the weights are called: their digest in a folder, the commit on the hub where it is known, else the name."""
    if place.is_dir():
        return revision_of(place)
    return f"{place}@{getattr(config_of(place), '_commit_hash', None) or 'unknown'}"


def context_of(config: Any) -> int:
    """Longest row the model can read, tokens; 0: not known."""
    return int(getattr(config.get_text_config(), "max_position_embeddings", 0) or 0)


def connected(domain: str, address: Address) -> RemoteTeacher:
    """The teacher at the address. ConfigError: its vocabulary is not known; else as `connect`."""
    vouched = (
        vocabulary_identity(vocabulary_of(local_place(address.tokenizer))) if address.tokenizer else None
    )
    teacher = connect(address.place, model=address.model or None, vocabulary=vouched)
    if teacher.vocabulary is None:
        teacher.close()
        raise ConfigError(
            f"the {domain} teacher at {address.place} does not say which vocabulary it has; name its tokenizer: "
            f"{domain}={address.place},tokenizer=FOLDER"
        )
    return teacher


def rehearse(domain: str, teacher: RemoteTeacher, length: int, k: int) -> None:
    """Ask for one row of `length` tokens, the longest that will come: what the server cannot do is known before the first
    step. ConfigError: it refuses. EngineError: it fails."""
    length = max(2, length)
    row = Sample(token_ids=(0,) * length, loss_mask=(False,) * (length - 1) + (True,), domain=domain)
    if teacher.score([row], k)[0] is None:
        raise EngineError(
            f"the {domain} teacher could not score a row of {length} tokens ({teacher.trouble}); mend that and run again"
        )


def check_supports(
    places: Mapping[str, Any], configs: Mapping[str, Any], student: Any, merge: bool, full: bool
) -> None:
    """ConfigError: weights are to be merged, or whole vocabularies compared, and a teacher does not allow it.

    `configs` are the local teachers' by domain, `student` is the student's.
    """
    mine = student.get_text_config()
    for domain in places:
        if domain not in configs:
            if merge:
                raise ConfigError(
                    f"distill.merge moves the student's weights towards the teachers', and the {domain} teacher is a server: "
                    "set distill.merge=0, or give its folder"
                )
            if full:
                raise ConfigError(
                    f"distill.objective=full needs every teacher's own weights, and the {domain} teacher is a server: set "
                    "distill.objective=salient, or give its folder"
                )
            continue
        theirs = configs[domain].get_text_config()
        apart = [name for name in SHAPE if getattr(mine, name, None) != getattr(theirs, name, None)]
        if merge and apart:
            shown = ", ".join(
                f"{n} {getattr(mine, n, None)} and {getattr(theirs, n, None)}" for n in apart[:3]
            )
            raise ConfigError(
                f"distill.merge needs teachers of the student's architecture; the {domain} teacher has another one "
                f"({shown}): set distill.merge=0"
            )
        if full and "vocab_size" in apart:
            raise ConfigError(
                f"distill.objective=full compares outputs of {mine.vocab_size} rows with the {domain} teacher's "
                f"{theirs.vocab_size}: set distill.objective=salient"
            )


def load_student(place: Path, model: ModelPlan, teachers: list[Path], amount: float) -> nn.Module:
    """The student; with an `amount`, its weights moved by so much of the mean way to the teachers'."""
    student = load_model(place, model)
    if amount:
        merge(student, (load_model(t, model) for t in teachers), amount)
    return student
