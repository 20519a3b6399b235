"""What a teacher says about a sample: as tensors, as a compact record, on the wire and in a cache.

At each position that carries loss a teacher gives its top-k and the log-probability of the token that stands there. A
number that is not there must never be read as one: NaN is refused wherever a signal is packed, unpacked or checked.
N positions with loss of one sample, K salient vocabulary, V vocabulary.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from openhorizon.errors import ConfigError, EngineError, ModelError
from openhorizon.files import write_whole
from openhorizon.records import Record, Sample, TeacherSignal
from openhorizon.training.weights import trainable

KEY = (
    "OPENHORIZON_TEACHER_KEY"  # environment variable: the secret that teacher servers and their clients share
)
HIGHEST = 1e-3  # nats: a log-probability above this is none; below it, float error
MOST_MASS = 1.02  # of a row's entries together: more is not one distribution


@dataclass(frozen=True, eq=False)
class Signal:
    """One teacher's words about one sample, at its positions with loss, in the row's order."""

    ids_NK: Tensor  # int64; −1 where unused
    logprobs_NK: Tensor  # float32, nats over the teacher's whole vocabulary; −inf where unused
    sampled_N: Tensor  # float32, nats: log p_T of the token that stands there
    teacher: str  # revision
    hidden_NE: Tensor | None = None  # its hidden states, for the full divergence; never packed


class Identity(Record, kw_only=True):
    """What a teacher server says of itself."""

    teacher: str  # revision
    vocabulary: str  # vocabulary_identity of its tokenizer
    size: int  # V: rows of its output layer
    k_max: int  # most entries a row may be asked for
    context: int = 0  # longest row, tokens; 0: not known


class Row(Record, kw_only=True):
    """One sample as it goes to a teacher server."""

    token_ids: tuple[int, ...]  # [L]
    mask: tuple[bool, ...]  # [L]: the sample's loss mask


class Question(Record, kw_only=True):
    """What a teacher server is asked."""

    k: int
    rows: tuple[Row, ...]


def secret() -> str:
    """The key in the environment; "": none. ConfigError, without the key: it cannot stand in a header."""
    key = os.environ.get(KEY, "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"{KEY} holds characters that cannot stand in a header; use letters and digits")
    return key


def pack(signal: Signal) -> TeacherSignal:
    """The record, rounded to half precision. EngineError: shapes that do not fit, NaN, or a log-probability above 0."""
    ids_NK, logprobs_NK, sampled_N = signal.ids_NK, signal.logprobs_NK, signal.sampled_N
    if ids_NK.ndim != 2 or logprobs_NK.shape != ids_NK.shape or sampled_N.shape != ids_NK.shape[:1]:
        raise EngineError(
            f"teacher {signal.teacher}: ids {tuple(ids_NK.shape)}, log-probabilities {tuple(logprobs_NK.shape)} and "
            f"tokens {tuple(sampled_N.shape)} do not belong together; they are [N, K], [N, K] and [N]"
        )
    _refuse_numbers(logprobs_NK, sampled_N, signal.teacher)
    if len(ids_NK) and (int(ids_NK.min()) < -1 or int(ids_NK.max()) > np.iinfo(np.int32).max):
        raise EngineError(
            f"teacher {signal.teacher}: token ids outside [−1, 2³¹); −1 alone stands for no token"
        )
    unused_NK = ids_NK < 0
    if bool(unused_NK.any()):
        logprobs_NK = logprobs_NK.masked_fill(unused_NK, -torch.inf)
    return TeacherSignal(
        salient_ids=_bytes(ids_NK, torch.int32, "<i4"),
        salient_logprobs=_bytes(logprobs_NK.clamp_max(0.0), torch.float16, "<f2"),
        sampled_logprobs=_bytes(sampled_N.clamp_max(0.0), torch.float16, "<f2"),
        k=ids_NK.shape[1],
        teacher=signal.teacher,
    )


def unpack(record: TeacherSignal, device: str | torch.device = "cpu") -> Signal:
    """The signal on `device`. EngineError: bytes that are not [N, K] numbers, NaN, or a log-probability above 0."""
    count = positions(record)
    ids_NK = np.frombuffer(record.salient_ids, "<i4").astype(np.int64).reshape(count, record.k)
    logprobs_NK = np.frombuffer(record.salient_logprobs, "<f2").astype(np.float32).reshape(count, record.k)
    sampled_N = np.frombuffer(record.sampled_logprobs, "<f2").astype(np.float32)
    found = Signal(
        *(torch.from_numpy(a).to(device) for a in (ids_NK, logprobs_NK, sampled_N)), teacher=record.teacher
    )
    _refuse_numbers(found.logprobs_NK, found.sampled_N, found.teacher)
    return found


def positions(record: TeacherSignal) -> int:
    """N. EngineError: the record's parts are not of one length."""
    count = len(record.sampled_logprobs) // 2
    lengths = (len(record.salient_ids), len(record.salient_logprobs), len(record.sampled_logprobs))
    if record.k < 1 or lengths != (4 * count * record.k, 2 * count * record.k, 2 * count):
        raise EngineError(
            f"teacher {record.teacher}: ids, log-probabilities and tokens of {lengths} bytes are not the parts of one "
            f"signal with k = {record.k}; it was cut or damaged on its way, ask the teacher again"
        )
    return count


def encode(records: Sequence[TeacherSignal]) -> bytes:
    """The records as MessagePack."""
    return msgspec.msgpack.encode(list(records))


def decode(payload: bytes) -> list[TeacherSignal]:
    """The records of `encode`. EngineError: the payload is cut, or is something else."""
    try:
        found = msgspec.msgpack.decode(payload, type=list[TeacherSignal])
    except msgspec.DecodeError as error:
        raise EngineError(
            f"a payload of {len(payload)} bytes is not a list of teacher signals ({error}); it was cut on its way, or "
            "comes from another program or version"
        ) from error
    for record in found:
        positions(record)
    return found


def check(signal: Signal, sample: Sample, k: int, vocabulary: int | None = None) -> None:
    """EngineError: the signal is not what a teacher with `vocabulary` tokens (None: at least k) says about the sample.

    It has one row per position with loss, min(k, V) entries a row, and every row names at least one token with its
    probability; ids are different tokens of the vocabulary, and probabilities sum to at most 1.
    """
    who, count, width = f"teacher {signal.teacher}", trainable(sample), min(k, vocabulary or k)
    shape = tuple(signal.ids_NK.shape)
    if len(signal.ids_NK) != count or len(signal.sampled_N) != count:
        raise EngineError(
            f"{who}: {len(signal.ids_NK)} rows and {len(signal.sampled_N)} tokens for the {count} positions with loss "
            f"of {sample.task or 'a sample'}; a teacher must speak about each of them"
        )
    if shape != (count, width) or tuple(signal.logprobs_NK.shape) != shape:
        raise EngineError(
            f"{who}: ids {shape} and log-probabilities {tuple(signal.logprobs_NK.shape)} instead of ({count}, {width}); "
            f"it was asked for its top {k}"
        )
    _refuse_numbers(signal.logprobs_NK, signal.sampled_N, signal.teacher)
    if not count:
        return
    used_NK = (signal.ids_NK >= 0) & torch.isfinite(signal.logprobs_NK)
    if empty := int((~used_NK.any(-1)).sum()):
        raise EngineError(f"{who}: {empty} of {count} positions name no token at all")
    if vocabulary is not None and int(signal.ids_NK.max()) >= vocabulary:
        raise EngineError(
            f"{who}: token id {int(signal.ids_NK.max())} is outside the vocabulary of {vocabulary}; "
            "teacher and student need the same tokenizer"
        )
    # padding is made different from every id and from each other, so that only true repetitions are found
    lone_NK = torch.where(
        used_NK, signal.ids_NK, -1 - torch.arange(shape[1], device=used_NK.device).expand(shape)
    )
    ordered_NK = lone_NK.sort(-1).values
    if bool((ordered_NK[:, 1:] == ordered_NK[:, :-1]).any()):
        raise EngineError(f"{who}: a position names the same token twice")
    most = float(signal.logprobs_NK.masked_fill(~used_NK, -torch.inf).exp().sum(-1).max())
    if most > MOST_MASS:
        raise EngineError(
            f"{who}: the probabilities of one position sum to {most:.3g}; log-probabilities in nats are needed, not logits"
        )


def nothing(width: int, teacher: str) -> Signal:
    """The signal about a sample without positions to speak about."""
    return Signal(torch.zeros(0, width, dtype=torch.long), torch.zeros(0, width), torch.zeros(0), teacher)


def _refuse_numbers(logprobs_NK: Tensor, sampled_N: Tensor, teacher: str) -> None:
    """EngineError: what is NaN or above 0 is no log-probability."""
    wrong = sum(
        int((~(x <= HIGHEST)).sum()) for x in (logprobs_NK, sampled_N)
    )  # comparisons with NaN are false
    if wrong:
        raise EngineError(
            f"teacher {teacher}: {wrong} of {logprobs_NK.numel() + len(sampled_N)} log-probabilities are NaN or above 0; "
            "a missing one must not be read as a number"
        )


def _bytes(values: Tensor, kind: torch.dtype, written: str) -> bytes:
    return values.detach().to("cpu", kind).numpy().astype(written, copy=False).tobytes()


class _Kept(Record, kw_only=True):
    """A file of the cache."""

    signal: bytes
    digest: bytes  # sha256 of `signal`


class SignalCache:
    """Signals on disk, one file a sample. What was damaged is as if it had never been there."""

    def __init__(self, folder: Path):
        self.folder = folder

    def get(self, teacher: str, sample: Sample, k: int) -> TeacherSignal | None:
        """What the teacher of that revision said about the sample when asked for its top k; None: not known."""
        try:
            kept = msgspec.msgpack.decode(self._file(teacher, sample, k).read_bytes(), type=_Kept)
            if hashlib.sha256(kept.signal).digest() != kept.digest:
                return None
            (record,) = decode(kept.signal)
        except (OSError, msgspec.DecodeError, EngineError, ValueError):
            return None
        return record if record.teacher == teacher and positions(record) == trainable(sample) else None

    def put(self, teacher: str, sample: Sample, k: int, record: TeacherSignal) -> None:
        """Keep it, whole or not at all. RunError: the disk is full or the folder cannot be written."""
        signal = encode([record])
        kept = _Kept(signal=signal, digest=hashlib.sha256(signal).digest())
        write_whole(self._file(teacher, sample, k), (msgspec.msgpack.encode(kept),))

    def clear(self) -> None:
        """Forget everything; the folder goes with it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, teacher: str, sample: Sample, k: int) -> Path:
        asked = msgspec.msgpack.encode((teacher, k, sample.token_ids, sample.loss_mask))
        name = hashlib.sha256(asked).hexdigest()
        return self.folder / name[:2] / f"{name}.msgpack"


def vocabulary_identity(vocabulary: Mapping[str, int]) -> str:
    """sha256 of the mapping from token to id: two tokenizers of one size are not the same tokenizer."""
    return hashlib.sha256(msgspec.json.encode(sorted(vocabulary.items()))).hexdigest()


def revision_of(folder: Path) -> str:
    """A model folder's revision: 16 hex digits that follow from its configuration and weights alone.

    ModelError: the folder holds no model.
    """
    patterns = ("config.json", "*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin")
    files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
    if len(files) < 2 or not (folder / "config.json").exists():
        raise ModelError(
            f"{folder} holds no model: it needs config.json and *.safetensors. A model of the hub is fetched with: "
            f"hf download NAME --local-dir FOLDER"
        )
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        total.update(f"{file.name}\n{digest}\n".encode())
    return total.hexdigest()[:16]
