"""The five acceptance checks: what a proposed task must show before anyone learns from it.

Each check is a function of a `Case` (the task, the solver's attempts, the lazy attempts) that returns a reason to
reject it, or "". Everything they look at was really played, through the same rollout as every other attempt: the lazy
attempts (one says nothing at all, the others give what `domain.guesses` offers, none looks at anything); at full size
also the look-ups, which search once and answer, and the expert's attempts without each piece of evidence.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass

from openhorizon.domains.domain import Domain, Resources
from openhorizon.domains.names import split_of
from openhorizon.graph.writeback import Acceptance
from openhorizon.records import Evidence, Judged, Task, Trajectory


@dataclass(frozen=True)
class Case:
    """What the checks look at."""

    task: Task
    domain: Domain
    resources: Resources
    lazy: tuple[tuple[str, Judged], ...]  # what was answered without looking, and what came of it
    attempts: tuple[Judged | Trajectory, ...] = ()  # the solver's
    lookups: tuple[Judged, ...] = ()  # looked once, then answered
    spared: tuple[str, ...] = ()  # evidence without which the answer was reached all the same
    raised: str = ""  # what a verifier raised on any of these attempts, "" if none did

    @property
    def passing(self) -> tuple[Judged, ...]:
        return tuple(a for a in self.attempts if isinstance(a, Judged) and a.verdict.passed)


Check = Callable[[Case], str]


def verifiable(case: Case) -> str:
    """(i) Some verifier decides: it never raises and rejects every answer given without looking."""
    if not case.task.verifiers:
        return "the task has no verifier"
    if case.raised:
        return f"a verifier raised {case.raised}"
    for answer, played in case.lazy:
        if played.verdict.passed and not answer:
            return "the verifiers pass an attempt that says nothing"
        if not 0 <= played.verdict.score <= 1:
            return f"the verifiers score {played.verdict.score}, outside 0 to 1"
    return ""


def valid(case: Case) -> str:
    """(ii) An attempt of the solver reaches an answer that the verifiers accept."""
    if case.passing:
        return ""
    if not case.attempts:
        return "there was no attempt"
    last = case.attempts[-1]
    if isinstance(last, Trajectory):
        return f"every attempt was aborted: {last.reason}"
    why = last.verdict.why or last.trajectory.reason or f"score {last.verdict.score:.2f}"
    return f"the solver did not pass: {why}"


def process_informative(case: Case) -> str:
    """(iii) Not a one-shot look-up: passing takes the domain's least number of calls, no guess passes, and no attempt
    that looks once is right."""
    needed = case.domain.min_calls if case.domain.tools else 0
    fewest = min((_calls(a.trajectory) for a in case.passing), default=needed)
    if fewest < needed:
        return f"an attempt passed with {fewest} of at least {needed} tool calls"
    for answer, played in case.lazy:
        if played.verdict.passed:
            return f"an attempt that looked at nothing passed with {answer!r}"
    if any(reached(played) for played in case.lookups):
        return "an attempt that searched once and answered was right"
    return ""


def evidence_covering(case: Case) -> str:
    """(iv) A passing attempt consulted all of E_q, and no piece of it can be missed; where there are no tools, the
    instruction holds the texts."""
    if not case.domain.tools:
        asked = _spaced(case.task.instruction)
        gone = [e.node for e in case.task.evidence if _spaced(e.text) not in asked]
        return f"the instruction does not hold the text of {gone[0]}" if gone else ""
    if case.spared:
        return f"the answer is reached without {case.spared[0]}"
    missing = [unread(case.task.evidence, a.trajectory) for a in case.passing]
    if not missing or not all(missing):
        return ""
    return f"the solver passed without consulting {min(missing, key=len)[0]}"


def unambiguous(case: Case) -> str:
    """(v) One answer and no way around: the domain finds no shortcut and the question does not tell its answer."""
    if case.domain.tools and tells(case.task.instruction, case.task.answer):
        return "the instruction tells the answer"
    return case.domain.shortcut(case.task, case.resources)


CHECKS: tuple[Check, ...] = (verifiable, valid, process_informative, evidence_covering, unambiguous)


def judged(case: Case) -> Acceptance:
    """What the checks say, in their order: accepted, or the first that failed with its reason."""
    for check in CHECKS:
        if why := check(case):
            return Acceptance(accepted=False, check=check.__name__, why=why)
    return Acceptance(accepted=True)


def reached(played: Judged) -> bool:
    """Whether the attempt gave the right answer, by whatever way: verifiers may ask for more than that."""
    return played.verdict.passed or played.verdict.parts.get("answer") == 1.0


def fresh(task: Task, instructions: Container[str], ids: Container[str]) -> Acceptance | None:
    """None for a task that may be played; else why not: said before, or its names belong to the other split."""
    if folded(task.instruction) in instructions:
        return Acceptance(accepted=False, check="unambiguous", why="the same instruction was proposed before")
    if task.id in ids:
        return Acceptance(accepted=False, check="unambiguous", why=f"the id {task.id} was used before")
    astray = [e for e in task.entities if split_of(e) is not task.split]
    if astray:
        return Acceptance(accepted=False, check="split", why=f"{astray[0]} belongs to the other split")
    return None


def folded(text: str) -> str:
    """The text as duplicates are told by: case and spaces do not count."""
    return _spaced(text).casefold()


def _calls(run: Trajectory) -> int:
    return sum(r.call is not None for turn in run.turns for r in turn.results)


def unread(evidence: tuple[Evidence, ...], run: Trajectory) -> list[str]:
    """The evidence that no observation was made from. A page read covers its passages, a passage its page."""
    read = {s for turn in run.turns for r in turn.results for s in r.sources}
    pages = {s.partition("#")[0] for s in read}
    return [
        e.node
        for e in evidence
        if not (e.node in read or e.node.partition("#")[0] in read or e.node in pages)
    ]


def tells(text: str, answer: str) -> bool:
    """Whether a textual answer stands in the text, as whole words. A letter of a multiple choice or a figure may."""
    answer, asked = folded(answer), folded(text)
    if len(answer) < 2 or not any(c.isalpha() for c in answer):
        return False
    at = asked.find(answer)
    while at >= 0:
        before, after = asked[at - 1 : at], asked[at + len(answer) : at + len(answer) + 1]
        if not before.isalnum() and not after.isalnum():
            return True
        at = asked.find(answer, at + 1)
    return False


def _spaced(text: str) -> str:
    return " ".join(text.split())
