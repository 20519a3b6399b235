"""Kill -9 in the middle of attempts, again and again: no finished step is repeated, and the records come out the same.

python benchmarks/resume.py --kills 100
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

LATENCY_S, ATTEMPTS = 0.02, 16


def worker(folder: Path) -> None:
    """Play all attempts; every model call is noted, before it is answered, in a file of its own."""
    import msgspec
    import tiny
    from test_faults import FREE, KEPT
    from test_rollout import Written, said
    from towns import graph_of, resources_of

    from openhorizon.engines.engine import Request
    from openhorizon.records import Completion, Limits, as_json
    from openhorizon.rollout.batch import play_groups
    from openhorizon.rollout.journal import Journals
    from openhorizon.rollout.play import Play

    class Late(Written):
        async def complete(self, request: Request) -> Completion:
            await asyncio.sleep(LATENCY_S)
            written = await super().complete(request)
            with (folder / "calls").open("a") as file:
                file.write(f"{request.attempt} {request.turn}\n")
            return written

    task = msgspec.structs.replace(
        tiny.tasks()[0], limits=Limits(turns=30, tool_calls=99, context_tokens=9999)
    )
    calls = [said("", ("find", {"town": task.setup["town"]}))] * 24
    play = Play(
        Late(*calls, said(task.answer)),
        resources_of(graph_of()),
        "mini",
        FREE,
        tiny.chat(),
        journals=Journals(folder / "attempts"),
    )
    (folder / "ready").touch()
    groups = asyncio.run(play_groups([(task, KEPT)], play, size=ATTEMPTS))
    (folder / "result").write_bytes(as_json(groups))


def main(kills: int) -> None:
    rng, done, lost, same, repeated = random.Random(0), 0, 0, True, 0
    with tempfile.TemporaryDirectory() as top:

        def start(folder: Path) -> "subprocess.Popen[bytes]":
            (folder / "ready").unlink(missing_ok=True)
            found = subprocess.Popen([sys.executable, __file__, "--worker", str(folder)])
            while not (folder / "ready").exists() and found.poll() is None:
                time.sleep(0.005)
            return found

        whole = Path(top) / "whole"
        whole.mkdir()
        start(whole).wait()
        expected = (whole / "result").read_bytes()
        rounds = 0
        while done < kills:
            rounds += 1
            folder = Path(top) / str(rounds)
            folder.mkdir()
            while not (folder / "result").exists():
                process = start(folder)
                steps = on_disk(folder)
                if done < kills:
                    time.sleep(rng.uniform(0.0, 0.4))
                    if process.poll() is None:
                        os.kill(process.pid, 9)
                        done += 1
                process.wait()
                lost += sum(max(0, n - on_disk(folder).get(name, 0)) for name, n in steps.items())
            same &= (folder / "result").read_bytes() == expected
            calls = (folder / "calls").read_text().split("\n")
            repeated += len(calls) - 1 - ATTEMPTS * 25
    print(
        f"{done} kills in {rounds} batches: {lost} finished steps lost, records identical: {same}, ", end=""
    )
    print(f"{repeated} running steps repeated (at most {done * ATTEMPTS})")


def on_disk(folder: Path) -> dict[str, int]:
    """Whole lines of each journal."""
    return {f.name: f.read_bytes().count(b"\n") for f in (folder / "attempts").glob("*.jsonl")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--worker", type=Path)
    chosen = parser.parse_args()
    worker(chosen.worker) if chosen.worker else main(chosen.kills)
