"""Tasks and attempts as writers write them; run as a program, one that writes until it is killed and says what is done."""

import sys

from openhorizon.graph.store import GraphStore
from openhorizon.graph.writeback import Played
from openhorizon.records import (
    Completion,
    Evidence,
    Message,
    Node,
    NodeKind,
    Split,
    Status,
    Task,
    ToolCall,
    ToolResult,
    Trajectory,
    Turn,
)


def task(name: str, *evidence: str) -> Task:
    needs = tuple(Evidence(node=n, text="", source="") for n in evidence)
    return Task(id=name, domain="d", split=Split.TRAIN, instruction=f"{name}?", answer="y", evidence=needs)


def attempt(of: str, number: int, turns: int = 2, said: str = "seen") -> Trajectory:
    call = ToolCall(name="read", arguments={"page": number})
    return Trajectory(
        id=f"{of}@m/{number}", task=of, domain="d", prompt=(), status=Status.FINISHED,
        turns=tuple(
            Turn(
                completion=Completion(text="..."), message=Message(role="assistant", calls=(call,), thought=f"turn {i}"),
                results=(ToolResult(call=call, text=f"{said} {number} {i} " * 30, sources=("a", f"a#{i % 2}")),),
            )
            for i in range(turns)
        ),
    )  # fmt: skip


def write(address: str, name: str) -> None:
    with GraphStore(address) as store:
        for n in range(10**9):
            if n % 4:
                store.record([Played(task(f"{name}/{n}", "a"), (attempt(f"{name}/{n}", 0, 5),))])
            else:
                texts = (f"{n} {i} " * 20 for i in range(20))
                store.add(
                    Node(id=f"{name}/{n}/{i}", kind=NodeKind.FACT, domain="d", text=text)
                    for i, text in enumerate(texts)
                )
            print(n, flush=True)


if __name__ == "__main__":
    write(*sys.argv[1:])
