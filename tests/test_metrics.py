"""Metrics survive kills and resumption."""

import math

import pytest

from openhorizon.metrics import Metrics, Point


def test_values_come_back_in_the_order_they_were_logged(tmp_path):
    metrics = Metrics(tmp_path / "metrics")
    metrics.log("teachers/search", 1, loss=2, reward=0.25)
    metrics.log("teachers/search", 2, loss=1.5)
    metrics.log("sft", 1, loss=3.0)
    assert metrics.curve("teachers/search", "loss") == [(1, 2.0), (2, 1.5)]
    assert [p.stage for p in metrics.read_all()] == ["sft"] + ["teachers/search"] * 3
    assert metrics.read("sft") == [Point(stage="sft", step=1, name="loss", value=3.0)]


def test_a_run_without_metrics_has_none(tmp_path):
    assert Metrics(tmp_path / "none").read_all() == []
    assert Metrics(tmp_path / "none").curve("sft", "loss") == []


def test_a_torn_last_line_is_ignored_when_read_and_removed_when_written(tmp_path):
    Metrics(tmp_path).log("sft", 1, loss=3.0)
    with (tmp_path / "sft.jsonl").open("ab") as file:
        file.write(b'{"stage":"sft","st')
    assert Metrics(tmp_path).curve("sft", "loss") == [(1, 3.0)]
    Metrics(tmp_path).log("sft", 2, loss=2.0)
    assert Metrics(tmp_path).curve("sft", "loss") == [(1, 3.0), (2, 2.0)]


def test_a_resumed_stage_forgets_what_it_will_log_again_and_no_other_stage_does(tmp_path):
    metrics = Metrics(tmp_path)
    for step in range(5):
        metrics.log("sft", step, loss=float(step))
        metrics.log("student", step, loss=float(step))
    resumed = Metrics(tmp_path)
    resumed.rewind("sft", 3)
    resumed.log("sft", 3, loss=30.0)
    assert resumed.curve("sft", "loss") == [(0, 0.0), (1, 1.0), (2, 2.0), (3, 30.0)]
    assert len(resumed.curve("student", "loss")) == 5
    resumed.rewind("never logged", 0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_null_and_warned_of(tmp_path, value):
    metrics = Metrics(tmp_path)
    with pytest.warns(RuntimeWarning, match="sft, step 7: loss"):
        metrics.log("sft", 7, loss=value)
    assert metrics.read("sft")[0].value is None
    assert metrics.curve("sft", "loss") == []
    assert b"null" in (tmp_path / "sft.jsonl").read_bytes()
