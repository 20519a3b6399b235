"""A run's corpus that is read again, and one so large that workers map it from a file."""

import itertools
import json

import pytest
from test_cli import call

from openhorizon import jobs
from openhorizon.config import DomainPlan, Recipe
from openhorizon.domains import DOMAINS
from openhorizon.domains.domain import Order
from openhorizon.graph.graph import Graph
from openhorizon.graph.store import GraphStore
from openhorizon.graph.writeback import Played
from openhorizon.jobs import scenes
from openhorizon.pipeline import build_graph
from openhorizon.records import Evidence, Split, Task
from openhorizon.store import Run
from openhorizon.workers import Workers

PAGES = {
    "alpha": "# Alpha\n\nAlpha lies beside [Beta](beta.md), on the river.\n",
    "beta": "# Beta\n\nBeta was founded in 1312 by a miller of [Gamma](gamma.md).\n",
    "gamma": "# Gamma\n\nGamma is a village.\n",
}


def made(folder, **more) -> Run:
    run = Run.open(folder, "r", Recipe(name="r", domains={"search": DomainPlan()}, **more))
    build_graph(run, Workers(1), lambda n: None)
    run.stage("graph").finish()
    return run


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    for name, text in PAGES.items():
        (folder / f"{name}.md").write_text(text)
    return folder


def test_a_changed_page_replaces_its_passages_and_the_tasks_made_from_it_are_named(tmp_path, pages):
    passage = "pages/beta#0"
    with made(tmp_path, corpus=str(pages)) as run, GraphStore(run.graph) as store:
        said = store.node(passage)
        assert said is not None
        assert "1312" in said.text
        proof = Evidence(node=passage, text=said.text, source=said.source)
        task = Task(
            id="search/train/t", domain="search", split=Split.TRAIN, instruction="?", answer="1312", evidence=(proof,)
        )  # fmt: skip
        store.record([Played(task)])
        before = store.revision()
    again = call("graph", "r", "--update", "--runs", tmp_path)
    assert again.exit_code == 0, again.output
    assert "search: nothing changed" in again.output
    assert "0 tasks rest on evidence" in again.output

    (pages / "beta.md").write_text(PAGES["beta"].replace("1312", "1412"))
    (pages / "gamma.md").unlink()
    changed = call("graph", "r", "--update", "--json", "--runs", tmp_path)
    found = json.loads(changed.output)
    assert found["outdated_tasks"] == {task.id: [passage]}
    assert found["domains"]["search"]["removed"] > 0
    assert task.id in call("graph", "r", "--update", "--runs", tmp_path).output
    with GraphStore(run.graph) as store:
        assert store.revision() > before
        now = store.node(passage)
        assert now is not None
        assert "1412" in now.text
        assert "1312" in store.history(passage)[-1].node.text
        assert "1312" in store.provenance(task.id).evidence[0].text  # what the task was built on
        assert store.node("pages/gamma") is None


def test_a_large_corpus_is_mapped_by_workers_and_gives_the_same_tasks(tmp_path, monkeypatch):
    order = Order(split=Split.TRAIN, seed=3)
    found = []
    for name, held in (("held", scenes.HELD), ("mapped", 0)):
        monkeypatch.setattr(scenes, "HELD", held)
        with made(tmp_path / name) as run:
            assert (run.dir / jobs.CORPUS_FILE).exists() == (held == 0)
            jobs.scene.cache_clear()
            scene = jobs.scene(str(run.dir))
            assert isinstance(scene.resources.graph, Graph)
            found.append(list(itertools.islice(DOMAINS["search"].propose(scene.resources.graph, order), 30)))
            scene.resources.sandbox.close()
            jobs.scene.cache_clear()
    assert found[0] == found[1]
