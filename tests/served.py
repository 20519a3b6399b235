"""A server of a tiny model over real sockets: answers token mode as vLLM or SGLang do, and takes new weights as they do."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import tiny
import torch

from openhorizon.engines.engine import Request, Sampling
from openhorizon.engines.local import LocalEngine
from openhorizon.training.model import load_model

LOADING = threading.Lock()  # transformers cannot load two models at once in one process


class ModelServer:
    """`kind`: "vllm" or "sglang". `broken`: refuses new weights from now on; `said` holds the control calls it got."""

    def __init__(self, kind: str, model: torch.nn.Module) -> None:
        self.kind, self.broken, self.paused = kind, False, threading.Event()
        self.said: list[tuple[str, Any]] = []
        self.busy, self.answered, self.loaded_while_busy = 0, 0, False
        self._lock, self._numbers = threading.Lock(), count()
        self.engine = LocalEngine(model, tiny.chat(), policy="m")
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(200, {"data": [{"id": "m"}]})

            def do_POST(self) -> None:
                held = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self._answer(*outer.answer(self.path, json.loads(held) if held else {}))

            def _answer(self, status: int, body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        where, query = urlsplit(path).path, parse_qs(urlsplit(path).query)
        if where in ("/v1/completions", "/generate"):
            if (where == "/generate") != (self.kind == "sglang"):
                return 404, {"error": "Not Found"}
            return 200, self._written(body)
        self.said.append((where, body or query))
        if self.kind == "sglang" and where == "/update_weights_from_disk":
            if self.broken:
                return 400, {"success": False, "message": "no space on the device"}
            self._load(body["model_path"])
            return 200, {"success": True, "message": "done", "num_paused_requests": 0}
        if self.kind == "vllm" and where == "/pause":
            self.paused.set()
            return 200, {"status": "paused"}
        if self.kind == "vllm" and where == "/collective_rpc" and body["method"] == "reload_weights":
            if self.broken:
                return 400, {"error": {"message": "no space on the device"}}
            assert self.paused.is_set()
            self._load(body["kwargs"]["weights_path"])
            return 200, {"results": [None]}
        if self.kind == "vllm" and where == "/resume":
            self.paused.clear()
            return 200, {"status": "resumed"}
        return 404, {"error": "Not Found"}

    def _load(self, folder: str) -> None:
        self.loaded_while_busy |= self.busy > 0
        with LOADING:
            model = load_model(Path(folder))
        self.engine = LocalEngine(model, tiny.chat(), policy="m")

    def _written(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.kind == "vllm":
            ids, most, of = body["prompt"], body["max_tokens"], body
            seed = body["seed"]
        else:
            ids, of = body["input_ids"], body["sampling_params"]
            most, seed = of["max_new_tokens"], of["sampling_seed"]
        sampling = Sampling(
            temperature=of["temperature"], top_p=of["top_p"], top_k=max(0, of.get("top_k", 0))
        )
        with self._lock:
            number, self.busy = next(self._numbers), self.busy + 1
        request = Request(
            attempt=f"r{number}", turn=0, messages=(), token_ids=tuple(ids), max_tokens=most, sampling=sampling, seed=seed
        )  # fmt: skip
        written = asyncio.run_coroutine_threadsafe(self.engine.complete(request), self._loop).result()
        with self._lock:
            self.busy, self.answered = self.busy - 1, self.answered + 1
        if self.kind == "vllm":
            choice = {
                "token_ids": list(written.token_ids), "prompt_token_ids": ids,
                "logprobs": {"token_logprobs": list(written.logprobs)}, "finish_reason": written.finish,
            }  # fmt: skip
            return {"choices": [choice]}
        rows = [[p, i, None] for p, i in zip(written.logprobs, written.token_ids, strict=True)]
        return {
            "text": "", "meta_info": {"output_token_logprobs": rows, "finish_reason": {"type": written.finish}}
        }  # fmt: skip

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._loop.call_soon_threadsafe(self._loop.stop)
