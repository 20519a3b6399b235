"""The folder that a distillation alone leaves: what it was asked for, how far it is, what came of it.

    <out>/   plan.json  .lock  checkpoint.pt  metrics/student.jsonl  signals/  model/  done.json

Of a finished one stay plan.json, metrics/, model/ and done.json.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import structs

from openhorizon.config import DistillPlan, Plan
from openhorizon.errors import RunError
from openhorizon.files import Folder, locked, tidy, unlock, unwritable
from openhorizon.metrics import Metrics
from openhorizon.records import Record
from openhorizon.settings import differences

STAGE = "student"  # name of the metrics
# paths of plan.json that tell where something lay; what it was stands beside them
MAY_DIFFER = (".place", ".file")


class Distilled(Record, kw_only=True, omit_defaults=False):
    """What came of it."""

    steps: int
    student_tokens: int  # that the student wrote and learnt from
    loss: float  # of the last step, nats
    coverage: dict[str, float]  # by domain, last measured: the student's mass on the teacher's top-k, 0 to 1
    aborted: int  # attempts that could not be played or scored, of all steps
    model: str  # the student's folder


class Model(Plan, kw_only=True):
    """A model of plan.json."""

    place: str
    revision: str  # follows from the weights; of a vLLM server, which cannot say, the model's name


class Prompts(Plan, kw_only=True):
    """A domain's prompts in plan.json."""

    file: str
    sha256: str
    unique: int


class Loaded(Plan, kw_only=True):
    """How the models were loaded: what of a ModelPlan is not the folders' own."""

    dtype: str
    attention: str
    device: str


class Given(Plan, kw_only=True):
    """plan.json: all that the student follows from."""

    student: Model
    teachers: dict[str, Model]
    prompts: dict[str, Prompts]
    resources: str  # the run whose graph the tools read; "": none
    seed: int
    model: Loaded
    distill: DistillPlan


class OwnFolder(Folder):
    """The folder `out`."""

    def compare(self, given: Given) -> None:
        """RunError: plan.json holds another plan; the text says what differs."""
        changed = [
            line
            for line in differences(self.read_json("plan.json", Given), given)
            if not line.split(": ")[0].endswith(MAY_DIFFER)
        ]
        if changed:
            shown = "; ".join(changed[:6]) + (f"; and {len(changed) - 6} more" if len(changed) > 6 else "")
            shown = re.sub(
                r"([0-9a-f]{12})[0-9a-f]{52}", r"\1…", shown
            )  # of a digest its beginning is enough
            raise RunError(
                f"{self.dir} holds a student of another plan ({shown}). Choose another --out, or delete {self.dir} to start "
                "afresh"
            )

    @contextmanager
    def claimed(self, given: Given) -> Iterator[None]:
        """This process's alone, with plan.json in it. RunError: another process has it, or it holds something else."""
        try:
            self.dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.dir, error) from error
        lock = locked(self.dir, "choose another --out")
        try:
            tidy(self.dir)
            if self.has("plan.json"):
                self.compare(given)
            else:
                foreign = sorted(
                    p.name for p in self.dir.iterdir() if not p.name.startswith((".lock", "crash-"))
                )
                if foreign:
                    raise RunError(
                        f"{self.dir} exists and holds {foreign[0]}, which is not of a distillation. Choose another --out"
                    )
                self.write_json("plan.json", given)
            yield
        finally:
            unlock(lock)

    def finish(self, steps: int, domains: list[str]) -> Distilled:
        """Write done.json from the metrics; what only a restart would have needed goes."""
        metrics = Metrics(self.path("metrics"))

        def last(name: str) -> float:
            return next((value for _, value in reversed(metrics.curve(STAGE, name))), float("nan"))

        done = Distilled(
            steps=steps, student_tokens=int(last("tokens")), loss=last("loss"),
            coverage={n: last(f"coverage/{n}") for n in domains if metrics.curve(STAGE, f"coverage/{n}")},
            aborted=int(sum(value for _, value in metrics.curve(STAGE, "aborted"))), model=str(self.path("model")),
        )  # fmt: skip
        self.write_json("done.json", done)
        shutil.rmtree(self.path("signals"), ignore_errors=True)
        self.path("checkpoint.pt").unlink(missing_ok=True)
        return done

    def done(self) -> Distilled:
        """What done.json says, of the folder where it lies now. RunError: the model is gone."""
        if not self.has("model"):
            raise RunError(f"{self.path('model')} was made and is gone. {self.mend()}")
        return structs.replace(self.read_json("done.json", Distilled), model=str(self.path("model")))

    def mend(self) -> str:
        return f"Delete {self.dir} and run the same command again"
