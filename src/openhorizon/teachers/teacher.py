"""What a teacher's curriculum is, and the loop over its stages."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from openhorizon.config import GrpoStage, SftStage
from openhorizon.domains.domain import Order, Resources
from openhorizon.errors import ConfigError
from openhorizon.records import Judged, Task

Demonstration = tuple[Task, Judged]
ALL = "domain"  # the selector every domain has: everything


def everything(task: Task) -> bool:
    return True


@dataclass(frozen=True)
class Curriculum:
    """How a domain's material is cut for its teacher's stages."""

    # what a stage with this `data` name practises on; "domain" is always all of it
    data: Mapping[str, Callable[[Task], bool]] = field(default_factory=dict)
    # demonstrations that only this teacher sees, by `data` name: so many are made on the spot by self-play
    extra: Mapping[str, Callable[[Resources, Order, int], Iterable[Demonstration]]] = field(
        default_factory=dict
    )

    def select(self, name: str) -> Callable[[Task], bool]:
        """The predicate of a `data` name; ConfigError names those there are."""
        if name == ALL:
            return everything
        if name not in self.data:
            raise ConfigError(
                f"no data named {name!r} for this teacher; there are {', '.join([ALL, *self.data, *self.extra])}"
            )
        return self.data[name]

    def demonstrations(
        self, stage: SftStage, known: Sequence[Demonstration], resources: Resources, order: Order
    ) -> list[Demonstration]:
        """What a supervised stage imitates; `order` is what training tasks were asked for with."""
        if stage.data in self.extra:
            found = list(self.extra[stage.data](resources, order, stage.demonstrations or len(known)))
        else:
            wanted = self.select(stage.data)
            found = [d for d in known if wanted(d[0])]
        if not found:
            raise ConfigError(f"no demonstrations of {stage.data!r}; raise the domain's demonstrations")
        return found[: stage.demonstrations or None]

    def tasks(self, stage: GrpoStage, known: Sequence[Task]) -> list[Task]:
        """What a reinforcement stage practises on."""
        wanted = self.select(stage.data)
        found = [task for task in known if wanted(task)]
        if not found:
            raise ConfigError(f"no training tasks of {stage.data!r}; raise the domain's train")
        return found[: stage.tasks or None]
