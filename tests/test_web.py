"""The web back ends against a server of our own, which misbehaves in every way that real ones do."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from openhorizon.config import SearchPlan
from openhorizon.errors import ConfigError, InfrastructureError, ToolError
from openhorizon.retrieval.fetch import Fetcher, Trouble, checked
from openhorizon.retrieval.web import KEY, SearXng, Serper, Web, canonical, node_id

SECRET = "a-very-secret-key"
PAGE = """<html><head><title>Amber</title></head><body><nav>menu</nav><main><h1>Amber Bay</h1>
<p>Amber Bay is a <a href="/town.html">small town</a>.</p><p>Its mayor is Umber Gate.</p><script>evil()</script></main></body></html>"""


class Server:
    """Answers as the test says; `asked` are the requests it heard: (method, path, headers, body)."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.say: Callable[[BaseHTTPRequestHandler, int], None] = lambda handler, n: sent(handler, 404)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.asked.append((self.command, self.path, dict(self.headers), body))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    outer.say(self, len(outer.asked))

            do_POST = do_GET

            def log_message(self, *_: object) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def sent(handler: BaseHTTPRequestHandler, status: int, body: bytes | str = b"", kind: str = "application/json", **headers: str) -> None:  # fmt: skip
    data = body.encode() if isinstance(body, str) else body
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(data)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def organic(*urls: str) -> str:
    rows = [{"link": u, "title": f"Title of {u}", "snippet": f"About  {u}", "position": 1} for u in urls]
    return json.dumps({"searchParameters": {"q": "x"}, "organic": rows})


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def line(waits) -> Fetcher:
    return Fetcher(private=True, seconds=10.0, tries=3, sleep=waits.append)


@pytest.fixture
def serper(server, line) -> Serper:
    return Serper(line, server.url, SECRET)


@pytest.fixture
def web(server, serper, line, tmp_path) -> Web:
    return Web(serper, line, tmp_path, results=5)


def test_serper_is_asked_as_its_api_wants_and_its_results_are_read(server, serper):
    server.say = lambda handler, n: sent(
        handler, 200, organic("https://a.org/x", "https://b.org/", "ftp://no")
    )
    found = serper.search("who is the mayor", 5)
    assert [f.url for f in found] == ["https://a.org/x", "https://b.org/"]
    assert found[0].snippet == "About https://a.org/x"
    ((method, path, headers, body),) = server.asked
    assert (method, path) == ("POST", "/search")
    assert headers["X-API-KEY"] == SECRET
    assert json.loads(body) == {"q": "who is the mayor", "num": 5}


def test_searxng_is_asked_page_after_page_until_there_are_enough(server, line):
    def say(handler, n):
        number = int(parse_qs(urlsplit(handler.path).query).get("pageno", ["1"])[0])
        rows = [{"url": f"https://a.org/{number}-{i}", "title": "T", "content": "C"} for i in range(3)]
        sent(handler, 200, json.dumps({"results": rows if number < 4 else []}))

    server.say = say
    engine = SearXng(line, server.url + "/")
    assert len(engine.search("amber & bay", 5)) == 5
    assert len(server.asked) == 2
    asked = urlsplit(server.asked[0][1])
    assert asked.path == "/search"
    assert parse_qs(asked.query) == {"q": ["amber & bay"], "format": ["json"]}
    assert len(engine.search("all", 50)) == 9


@pytest.mark.parametrize("told", [{"organic": []}, {}, {"organic": [{"title": "no link"}]}])
def test_no_results_are_an_answer(server, serper, told):
    server.say = lambda handler, n: sent(handler, 200, json.dumps(told))
    assert serper.search("x", 5) == ()
    assert len(server.asked) == 1


def test_searxng_whose_engines_are_all_down_is_broken_and_not_empty(server, line):
    told = {"results": [], "unresponsive_engines": [["google", "CAPTCHA"]]}
    server.say = lambda handler, n: sent(handler, 200, json.dumps(told))
    with pytest.raises(InfrastructureError, match="none of its engines"):
        SearXng(line, server.url).search("x", 5)


def hang_up(handler: BaseHTTPRequestHandler, n: int) -> None:
    handler.connection.close()


def cut_off(handler: BaseHTTPRequestHandler, n: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"organic": [')
    handler.wfile.flush()
    handler.connection.close()


TROUBLES = {
    "429": lambda handler, n: sent(handler, 429),
    "500": lambda handler, n: sent(handler, 500, "boom"),
    "503": lambda handler, n: sent(handler, 503),
    "truncated JSON": lambda handler, n: sent(handler, 200, '{"organic": [{"link": "https'),
    "not JSON": lambda handler, n: sent(handler, 200, "<html>captcha</html>"),
    "a list": lambda handler, n: sent(handler, 200, "[]"),
    "disconnect": hang_up,
    "cut off": cut_off,
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_passes_is_asked_again_and_what_stays_broken_aborts(server, serper, waits, trouble):
    def say(handler, n):
        TROUBLES[trouble](handler, n) if n == 1 else sent(handler, 200, organic("https://a.org/"))

    server.say = say
    assert len(serper.search("x", 5)) == 1
    assert len(server.asked) == 2
    assert len(waits) == 1
    assert 0.2 < waits[0] < 1.0
    server.say = TROUBLES[trouble]
    with pytest.raises(InfrastructureError) as caught:
        serper.search("x", 5)
    assert len(server.asked) == 2 + 3
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("said", "waited", "asked"), [("2", 2.0, 2), ("9999", 0.0, 1)])
def test_retry_after_is_honoured_within_a_bound(server, serper, waits, said, waited, asked):
    server.say = lambda handler, n: sent(handler, 429, Retry_After=said) if n == 1 else sent(handler, 200, organic("https://a.org/"))  # fmt: skip
    if asked == 1:
        with pytest.raises(InfrastructureError, match="429"):
            serper.search("x", 5)
    else:
        serper.search("x", 5)
    assert len(server.asked) == asked
    assert sum(waits) == pytest.approx(waited)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_aborts_at_once_and_is_not_shown(server, serper, status):
    server.say = lambda handler, n: sent(handler, status, f"bad key {SECRET}")
    with pytest.raises(InfrastructureError, match=KEY) as caught:
        serper.search("x", 5)
    assert SECRET not in str(caught.value)
    assert len(server.asked) == 1


def drip(handler: BaseHTTPRequestHandler, n: int) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def drip_headers(handler: BaseHTTPRequestHandler, n: int) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" * 20:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize("slow", [drip, drip_headers])
def test_a_slow_server_costs_no_more_than_the_time_it_is_given(server, slow):
    server.say = slow
    engine = Serper(Fetcher(private=True, seconds=0.3, tries=2, sleep=lambda s: None), server.url, SECRET)
    began = time.monotonic()
    with pytest.raises(InfrastructureError, match=r"within 0\.3 seconds"):
        engine.search("x", 5)
    assert time.monotonic() - began < 4


def test_nothing_is_asked_twice_and_the_key_is_nowhere_on_disk(server, serper, line, web, tmp_path):
    server.say = lambda handler, n: sent(handler, 200, organic(f"https://a.org/{n}"))
    first = web.search("  amber   bay ")
    assert web.search("amber bay") == first
    assert Web(serper, line, tmp_path, results=5).search("amber bay") == first
    assert len(server.asked) == 1
    assert Web(serper, line, tmp_path, results=6).search("amber bay") != first
    assert web.search("other words") != first
    assert len(server.asked) == 3
    files = [f for f in tmp_path.rglob("*") if f.is_file()]
    assert len(files) == 3
    assert not any(SECRET in f.read_text() or SECRET in str(f) for f in files)
    for file in files:
        file.write_text(file.read_text()[:-9])
    assert web.search("amber bay") != first  # damaged files count as none, and are made anew
    assert len(server.asked) == 4
    assert web.search("amber bay")
    assert len(server.asked) == 4


def test_trouble_is_not_kept(server, web):
    server.say = TROUBLES["500"]
    with pytest.raises(InfrastructureError):
        web.search("amber")
    server.say = lambda handler, n: sent(handler, 200, organic("https://a.org/"))
    assert len(web.search("amber")) == 1


@pytest.mark.parametrize("query", ["", " \n ", "!?", "\x00"])
def test_a_query_without_words_is_the_models_mistake(server, web, query):
    with pytest.raises(ToolError, match="no words"):
        web.search(query)
    assert server.asked == []


def test_a_page_is_read_as_text_with_its_links_once(server, web):
    server.say = lambda handler, n: sent(handler, 200, PAGE, "text/html; charset=utf-8")
    page = web.read(f"{server.url}/a#part")
    assert page.title == "Amber Bay"
    assert page.text == "Amber Bay is a small town.\n\nIts mayor is Umber Gate."
    assert [(link.anchor, link.url) for link in page.links] == [("small town", f"{server.url}/town.html")]
    assert web.read(f"{server.url.upper().replace('HTTP', 'http')}/a") == page
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/markdown", "# Head\n\nA *b* c.", "A b c."),
        ("text/plain; charset=latin-1", "caf\xe9  au\nlait\n\n\nmore".encode("latin-1"), "café au lait\n\nmore"),
        ("text/html", "<meta charset=iso-8859-1><p>caf\xe9</p>".encode("latin-1"), "café"),
        ("text/html; charset=nonsense", "<p>Žemė</p>".encode(), "Žemė"),
        ("text/plain", "<!DOCTYPE html><p>html all the same</p>", "html all the same"),
    ],
)  # fmt: skip
def test_texts_of_every_kind_are_read(server, web, kind, body, text):
    server.say = lambda handler, n: sent(handler, 200, body, kind)
    assert web.read(f"{server.url}/a").text == text


@pytest.mark.parametrize(
    ("status", "kind", "body", "why"),
    [
        (404, "text/html", PAGE, "no such page"),
        (403, "text/html", PAGE, "lets nobody read"),
        (418, "text/html", PAGE, "answers 418"),
        (200, "application/pdf", "%PDF-1.7", "a PDF"),
        (200, "text/html", "%PDF-1.7", "a PDF"),
        (200, "image/png", "x", "image/png"),
        (200, "text/html", "<html></html>", "no text"),
        (200, "text/html", "<p>word " * 200_000, "too long to read"),
    ],
)
def test_a_page_that_cannot_be_read_is_an_answer_and_is_not_asked_for_again(server, serper, tmp_path, status, kind, body, why):  # fmt: skip
    server.say = lambda handler, n: sent(handler, status, body, kind)
    web = Web(serper, Fetcher(private=True, most=1_000_000), tmp_path)
    for _ in range(2):
        with pytest.raises(ToolError, match=why):
            web.read(f"{server.url}/a")
    assert len(server.asked) == 1


def test_a_page_nested_too_deeply_is_no_crash(server, web):
    server.say = lambda handler, n: sent(handler, 200, "<div>" * 5_000 + "deep", "text/html")
    with contextlib.suppress(ToolError):
        assert "deep" in web.read(f"{server.url}/a").text


def test_a_server_that_is_busy_or_gone_is_an_answer_that_may_change(server, web):
    server.say = TROUBLES["503"]
    with pytest.raises(ToolError, match="no answer now"):
        web.read(f"{server.url}/a")
    server.say = hang_up
    with pytest.raises(ToolError, match="try another page"):
        web.read(f"{server.url}/a")
    server.say = lambda handler, n: sent(handler, 200, PAGE, "text/html")
    assert web.read(f"{server.url}/a").title == "Amber Bay"


def test_redirects_are_followed_a_few_times(server, web):
    def say(handler, n):
        number = int(handler.path.rpartition("/")[2])
        sent(handler, 302, Location=f"/{number - 1}") if number else sent(handler, 200, PAGE, "text/html")

    server.say = say
    assert web.read(f"{server.url}/3").url == f"{server.url}/0"
    with pytest.raises(ToolError, match="redirects"):
        web.read(f"{server.url}/30")


@pytest.fixture
def public(serper, tmp_path) -> Web:
    """Pages as they are read unless the user says otherwise."""
    return Web(serper, Fetcher(seconds=10.0, tries=2, sleep=lambda s: None), tmp_path)


def test_this_machine_and_its_network_are_not_read(server, public):
    port = server.url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "127.1", "2130706433", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]"):  # fmt: skip
        with pytest.raises(ToolError, match=r"public internet|no such host|not a URL"):
            public.read(f"http://{host}:{port}/secret")
    assert server.asked == []


def test_a_redirect_into_this_machine_is_not_followed(server, public, monkeypatch):
    """The first host counts as public, and answers; where it sends us is looked at afresh."""
    import socket

    real = socket.getaddrinfo
    host = "outside.example"
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda name, *a, **k: real("127.0.0.1" if name == host else name, *a, **k)
    )
    monkeypatch.setattr(
        "openhorizon.retrieval.fetch.checked",
        lambda name, found: None if name == host else checked(name, found),
    )
    port = server.url.rpartition(":")[2]
    server.say = lambda handler, n: sent(handler, 302, Location=f"http://localhost:{port}/secret")
    with pytest.raises(ToolError, match="localhost is not on the public internet"):
        public.read(f"http://{host}:{port}/a")
    assert [path for _, path, _, _ in server.asked] == ["/a"]


def test_a_name_that_means_this_machine_and_a_public_one_is_not_read():
    checked("a", ["93.184.216.34", "2606:2800:220:1::1"])
    for bad in ("127.0.0.1", "::1", "fe80::1%eth0", "100.64.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "fd00::1", "0.0.0.0"):  # fmt: skip
        with pytest.raises(Trouble, match="public internet"):
            checked("a", ["93.184.216.34", bad])


def test_without_a_network_attempts_are_aborted_and_not_scored(public, monkeypatch):
    import socket

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(InfrastructureError, match="cannot be looked up"):
        public.read("https://a.example/")


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("HTTPS://A.org:443", "https://a.org/"),
        ("http://a.org/x#y", "http://a.org/x"),
        (" http://a.org:8080/x?q=1 ", "http://a.org:8080/x?q=1"),
        ("http://a.org/caf\xe9 x", None),
        ("ftp://a.org", None), ("a.org", None), ("http://", None), ("http://u:p@a.org/", None), ("http://a.org:x/", None),
    ],
)  # fmt: skip
def test_urls_have_one_form(url, same):
    if same is None:
        with pytest.raises(ToolError):
            canonical(url)
    else:
        assert canonical(url) == same
        assert node_id(url) == node_id(same)
        assert node_id(url).startswith("web/a.org/")
        assert "#" not in node_id(url)
        assert node_id(url, "text").partition("#")[0] == node_id(url)


def test_the_web_is_there_only_where_a_recipe_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    assert Web.open(SearchPlan(), tmp_path) is None
    with pytest.raises(ConfigError, match=KEY):
        Web.open(SearchPlan(backend="serper"), tmp_path)
    monkeypatch.setenv(KEY, SECRET)
    for plan in (SearchPlan(backend="serper"), SearchPlan(backend="searxng", url="http://localhost:1")):
        opened = Web.open(plan, tmp_path)
        assert opened is not None
        assert opened.engine.name == plan.backend
        assert not opened._fetcher.private
        assert SECRET not in repr(opened.engine.parameters)
