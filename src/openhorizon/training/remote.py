"""Teachers on other machines: samples go out over HTTP, signals come back, or None where the server kept failing.

Two kinds of server are spoken to: our own (`openhorizon teacher serve`), whose answers are packed, and any
OpenAI-compatible vLLM server, whose `prompt_logprobs` are read. `connect` finds out which one it is.
N positions with loss of one sample, K salient vocabulary.
"""

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import torch

from openhorizon.errors import ConfigError, EngineError
from openhorizon.records import Sample, as_json
from openhorizon.training.line import Down, Line, Refused
from openhorizon.training.signals import (
    Identity,
    Question,
    Row,
    Signal,
    check,
    decode,
    nothing,
    pack,
    unpack,
)  # fmt: skip
from openhorizon.training.weights import trainable

REQUEST_TOKENS = 8192  # of the rows that go to our own server in one request (one row at least)
NO_PROBABILITY = -9998.0  # nats: vLLM writes −9999 for −inf, which JSON cannot say


class RemoteTeacher(ABC):
    """A teacher behind HTTP."""

    revision: str  # names the teacher in records and caches
    vocabulary: str | None = None  # vocabulary_identity; None: the server cannot say it
    size: int | None = None  # V: tokens it can name; None: the server cannot say it
    trouble: str = ""  # why the server was last asked again or given up on

    def __init__(self, line: Line):
        self.line = line

    def close(self) -> None:
        """Let go of the connections."""
        self.line.close()

    def score(self, samples: Sequence[Sample], k: int) -> list[Signal | None]:
        """One signal a sample, on the CPU and of half precision, as out of a cache; None: the server kept failing for it.

        ConfigError, at once: the server refuses what it is asked (its cap on k, a key, a row too long), with its words.
        """
        width = min(k, self.size or k)
        found: list[Signal | None] = [
            None if trainable(s) else nothing(width, self.revision) for s in samples
        ]
        parts = self._parts([(i, s) for i, s in enumerate(samples) if trainable(s)])
        if not parts:
            return found
        pool, over = ThreadPoolExecutor(min(self.line.parallel, len(parts))), threading.Event()
        try:
            jobs = [pool.submit(self._insist, [samples[i] for i in part], k, over) for part in parts]
            for part, job in zip(parts, jobs):
                for i, signal in zip(part, job.result()):
                    found[i] = signal
        finally:  # after a refusal or Ctrl-C nobody waits for the requests that are still out
            over.set()
            pool.shutdown(wait=False, cancel_futures=True)
        return found

    def _insist(self, samples: Sequence[Sample], k: int, over: threading.Event) -> list[Signal | None]:
        """Ask until there is a sound answer for each, a bounded number of times."""
        found: dict[int, Signal] = {}
        for number in range(self.line.tries):
            if number:
                self.line.wait(number)
            left = [i for i in range(len(samples)) if i not in found]
            # from the second try on each row alone: one that breaks the server must not cost its neighbours
            for part in [left] if number == 0 else [[i] for i in left]:
                try:
                    found.update(zip(part, self._ask([samples[i] for i in part], k)))
                except EngineError as error:
                    self.trouble = str(error)
                    if isinstance(error, Down):
                        break
            if len(found) == len(samples) or over.is_set():
                break
        return [found.get(i) for i in range(len(samples))]

    @abstractmethod
    def _parts(self, samples: Sequence[tuple[int, Sample]]) -> list[list[int]]:
        """The numbers of the samples that go into one request together."""

    @abstractmethod
    def _ask(self, samples: Sequence[Sample], k: int) -> list[Signal]:
        """One request. EngineError: no answer, or one that cannot be used. ConfigError: refused for good."""


class OwnTeacher(RemoteTeacher):
    """A server of `openhorizon teacher serve`."""

    def __init__(self, line: Line, identity: Identity):
        super().__init__(line)
        self.revision, self.vocabulary, self.size = identity.teacher, identity.vocabulary, identity.size
        self.k_max = identity.k_max

    def score(self, samples: Sequence[Sample], k: int) -> list[Signal | None]:
        if k > self.k_max:
            raise ConfigError(
                f"the teacher at {self.line.url} answers up to k = {self.k_max}, not {k}; start it with --k-max {k}"
            )
        return super().score(samples, k)

    def _parts(self, samples: Sequence[tuple[int, Sample]]) -> list[list[int]]:
        parts: list[list[int]] = []
        room = 0
        for i, sample in samples:
            if not parts or len(sample.token_ids) > room:
                parts.append([])
                room = REQUEST_TOKENS
            parts[-1].append(i)
            room -= len(sample.token_ids)
        return parts

    def _ask(self, samples: Sequence[Sample], k: int) -> list[Signal]:
        rows = tuple(Row(token_ids=s.token_ids, mask=s.loss_mask) for s in samples)
        records = decode(self.line.post("score", as_json(Question(k=k, rows=rows))))
        if len(records) != len(samples):
            raise EngineError(
                f"the teacher at {self.line.url} answered {len(records)} of {len(samples)} rows"
            )
        for record in records:
            if record.teacher != self.revision:
                raise ConfigError(
                    f"the server at {self.line.url} was teacher {self.revision} and is now {record.teacher}; "
                    "serve the first one again, or start the run anew with the other"
                )
        signals = [unpack(record) for record in records]
        for signal, sample in zip(signals, samples):
            check(signal, sample, k, self.size)
        return signals


class VllmTeacher(RemoteTeacher):
    """An OpenAI-compatible vLLM server: one request a row, `prompt_logprobs` in the answer."""

    def __init__(self, line: Line, model: str, revision: str, vocabulary: str | None = None):
        super().__init__(line)
        self.model, self.revision, self.vocabulary = model, revision, vocabulary

    def _parts(self, samples: Sequence[tuple[int, Sample]]) -> list[list[int]]:
        return [[i] for i, _ in samples]

    def _ask(self, samples: Sequence[Sample], k: int) -> list[Signal]:
        (sample,) = samples
        asked = {
            "model": self.model, "prompt": sample.token_ids, "max_tokens": 1, "prompt_logprobs": k,
            "temperature": 0, "add_special_tokens": False,
        }  # fmt: skip
        try:
            answer = self.line.post("completions", msgspec.json.encode(asked))
        except Refused as error:
            if "logprobs" in str(error) and "max" in str(error):
                raise ConfigError(
                    f"the vLLM server's cap on log-probabilities is below k = {k}: start vLLM with "
                    f"`--max-logprobs {k}` ({error})"
                ) from error
            raise
        return [read_prompt_logprobs(answer, sample, k, self.revision)]


class _Entry(msgspec.Struct):
    logprob: float


_Positions = list[dict[int, _Entry] | None]


class _Choice(msgspec.Struct):
    prompt_logprobs: _Positions | None = None


class _Completion(msgspec.Struct):
    """Of vLLM's answer what is read here; it holds much more."""

    choices: list[_Choice] = []
    prompt_logprobs: _Positions | None = None


def read_prompt_logprobs(answer: bytes, sample: Sample, k: int, teacher: str) -> Signal:
    """The signal in vLLM's answer to the sample's tokens as a prompt, largest first, of half precision.

    Entry t of `prompt_logprobs` is the distribution that predicts token t: the top k, and token t itself where it is not
    among them. EngineError: not JSON, positions or entries missing, numbers that are none.
    """
    try:
        told = msgspec.json.decode(answer, type=_Completion)
    except msgspec.DecodeError as error:
        raise EngineError(
            f"teacher {teacher}: {len(answer)} bytes that are no answer of vLLM ({error})"
        ) from error
    rows = (told.choices[0].prompt_logprobs if told.choices else None) or told.prompt_logprobs or []
    if len(rows) != len(sample.token_ids):
        raise EngineError(
            f"teacher {teacher}: prompt_logprobs of {len(rows)} positions for {len(sample.token_ids)} tokens"
        )
    ids: list[list[int]] = []
    logprobs: list[list[float]] = []
    sampled: list[float] = []
    for t, (token, counts) in enumerate(zip(sample.token_ids, sample.loss_mask)):
        if not counts or t == 0:
            continue
        row = rows[t]
        if not row or token not in row:
            raise EngineError(
                f"teacher {teacher}: position {t} has no log-probability of its own token {token}"
            )
        if len(row) not in (k, k + 1):
            raise EngineError(f"teacher {teacher}: position {t} has {len(row)} entries, not its top {k}")
        sampled.append(row[token].logprob)
        if len(row) == k + 1:
            own = row.pop(token).logprob
            if own > min(e.logprob for e in row.values()) + 1e-4:
                raise EngineError(
                    f"teacher {teacher}: position {t} has {k + 1} entries, and its own token is among the top {k}"
                )
        ids.append(list(row))
        logprobs.append([entry.logprob for entry in row.values()])
    ids_NK, logprobs_NK = np.array(ids, np.int64), np.array(logprobs, np.float32)
    logprobs_NK[logprobs_NK <= NO_PROBABILITY] = -math.inf
    order_NK = np.argsort(-logprobs_NK, axis=-1, kind="stable")
    sampled_N = np.array(sampled, np.float32)
    sampled_N[sampled_N <= NO_PROBABILITY] = -math.inf
    signal = Signal(
        torch.from_numpy(np.take_along_axis(ids_NK, order_NK, -1)),
        torch.from_numpy(np.take_along_axis(logprobs_NK, order_NK, -1)),
        torch.from_numpy(sampled_N), teacher,
    )  # fmt: skip
    check(signal, sample, k)
    return unpack(pack(signal))


class _Model(msgspec.Struct):
    id: str
    root: str | None = None


class _Models(msgspec.Struct):
    data: list[_Model]


def connect(
    url: str, *, model: str | None = None, revision: str | None = None, vocabulary: str | None = None, connect_s: float = 10.0, read_s: float = 300.0,
    tries: int = 4, parallel: int = 8, sleep: Callable[[float], None] = time.sleep,
) -> RemoteTeacher:  # fmt: skip
    """The teacher at the URL, of whichever kind it is.

    `model`: the name a vLLM server knows it by (None: its first). `revision`: what it must be; our own server is held to
    it, and a vLLM server, which knows names alone, is called by it. `vocabulary`: the identity that the caller vouches a
    vLLM server to have, since it cannot say it; our own says its own. `read_s`: seconds of silence before a request counts
    as lost. At most `parallel` requests at a time, each tried `tries` times.
    EngineError: nobody answers. ConfigError: a key is missing, it is no teacher, or not the one that was asked for.
    """
    line = Line(url, connect_s=connect_s, read_s=read_s, tries=tries, parallel=parallel, sleep=sleep)
    try:
        return _recognised(line, model, revision, vocabulary)
    except BaseException:
        line.close()
        raise


def _recognised(line: Line, model: str | None, revision: str | None, vocabulary: str | None) -> RemoteTeacher:
    identity = _there(line, "identity", Identity)
    if identity is not None:
        if revision not in (None, identity.teacher):
            raise ConfigError(f"the server at {line.url} is teacher {identity.teacher}, not {revision}")
        return OwnTeacher(line, identity)
    for prefix in ("", "v1/"):
        models = _there(line, f"{prefix}models", _Models)
        if models is None or not models.data:
            continue
        named = {m.id: m for m in models.data}
        chosen = model or models.data[0].id
        if chosen not in named:
            raise ConfigError(
                f"the server at {line.url} has no model {chosen}; it has {', '.join(sorted(named))}"
            )
        line.url = f"{line.url}/{prefix}".rstrip("/")
        return VllmTeacher(line, chosen, revision or f"vllm:{named[chosen].root or chosen}", vocabulary)
    raise ConfigError(
        f"{line.url} speaks neither our protocol (GET /identity) nor OpenAI's (GET /models); start one with "
        "`openhorizon teacher serve FOLDER`, or give vLLM's URL with its /v1"
    )


def _there(line: Line, path: str, kind: Any) -> Any:
    """What the server says there; None: it does not know the place, or says something else."""
    try:
        return msgspec.json.decode(line.get(path), type=kind)
    except Refused as error:
        if error.status in (401, 403) or error.status < 400:
            raise
        return None
    except msgspec.DecodeError:
        return None
