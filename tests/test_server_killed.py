"""The engine's server is killed with -9 in the middle of attempts: they wait for it, go on, and end as if it had not been."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import msgspec
import pytest
import qwen
import tiny
from test_exactness import LIMITS, PURE, WORLD, text_ids
from towns import graph_of, resources_of

from openhorizon.engines.http import connect
from openhorizon.records import Group, Judged
from openhorizon.rollout.asking import Patience
from openhorizon.rollout.batch import play_groups
from openhorizon.rollout.journal import Journals
from openhorizon.rollout.play import Play

TURNS, ATTEMPTS = 20, 4
SERVER = """
import json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
lines, eos = json.load(open(sys.argv[2])), int(sys.argv[3])

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self):
        self.say(json.dumps({"data": [{"id": "m"}]}))
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt, most = asked["prompt"], asked["max_tokens"]
        ids, finish, sure = [5], "length", asked.get("top_k") == 1
        if most > 4:  # no probe
            turn = (prompt.count(eos) - 2) // 2
            open(sys.argv[4], "a").write(f"{turn}\\n")
            time.sleep(0.02)
            ids, finish = lines[turn], "stop"
        logprobs = {"token_logprobs": [0.0 if sure else -0.5] * len(ids)}
        choice = {"text": "", "token_ids": ids, "prompt_token_ids": prompt, "logprobs": logprobs, "finish_reason": finish}
        self.say(json.dumps({"choices": [choice]}))
    def say(self, text):
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def started(port: int, folder: Path) -> "subprocess.Popen[bytes]":
    chat = qwen.chat("qwen2.5")
    lines = [text_ids(chat, n, TURNS, False) for n in range(TURNS)]
    (folder / "lines").write_text(json.dumps(lines))
    command = [
        sys.executable,
        "-c",
        SERVER,
        str(port),
        str(folder / "lines"),
        str(chat.eos_id),
        str(folder / "asked"),
    ]
    server = subprocess.Popen(command)
    for _ in range(400):
        try:
            httpx.get(f"http://127.0.0.1:{port}/v1/models")
            return server
        except httpx.HTTPError:
            time.sleep(0.02)
    raise AssertionError("no server")


def played(port: int, folder: Path) -> Group:
    chat = qwen.chat("qwen2.5")
    engine = connect((f"http://127.0.0.1:{port}",), chat=chat)
    task = msgspec.structs.replace(tiny.tasks()[0], limits=LIMITS)
    play = Play(
        engine, resources_of(graph_of()), "full", PURE, chat,
        patience=Patience(tries=20), journals=Journals(folder / "journals"),
    )  # fmt: skip
    try:
        (group,) = asyncio.run(play_groups([(task, WORLD)], play, size=ATTEMPTS))
    finally:
        engine.close()
    return group


def free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def lines_of(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.slow
def test_attempts_wait_for_a_server_that_was_killed_and_end_the_same(tmp_path: Path):
    (tmp_path / "calm").mkdir()
    port = free()
    server = started(port, tmp_path / "calm")
    calm = played(port, tmp_path / "calm")
    server.kill()
    server.wait()
    (tmp_path / "killed").mkdir()
    port, kills = free(), 3
    server = started(port, tmp_path / "killed")
    pid = os.fork()
    if pid == 0:  # plays, so that this process can kill
        played(port, tmp_path / "killed")
        os._exit(0)
    asked = tmp_path / "killed" / "asked"
    for _ in range(kills):  # each while turns are under way
        before, until = len(lines_of(asked)), time.monotonic() + 60
        while len(lines_of(asked)) < before + 5 and time.monotonic() < until:
            time.sleep(0.005)
        server.send_signal(signal.SIGKILL)
        server.wait()
        server = started(port, tmp_path / "killed")
    _, status = os.waitpid(pid, 0)
    assert status == 0
    killed = played(port, tmp_path / "killed")  # all of it stands in the journals
    server.kill()
    server.wait()
    assert [j.trajectory.turns for j in killed.judged] == [j.trajectory.turns for j in calm.judged]
    assert not killed.aborted
    for judged in killed.judged:
        assert isinstance(judged, Judged)
        assert len(judged.trajectory.turns) == TURNS
    # the running steps at most are asked for again
    assert TURNS * ATTEMPTS < len(lines_of(asked)) <= TURNS * ATTEMPTS + kills * ATTEMPTS
