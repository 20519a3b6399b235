"""Scores with their uncertainty."""

from openhorizon.records.base import Record


class Score(Record, kw_only=True):
    """One model on one held-out task."""

    model: str
    domain: str
    task: str
    passed: bool
    value: float  # in [0, 1]
    turns: int
    tokens: int  # of the whole attempt
    status: str


class Summary(Record, kw_only=True):
    """A rate with its 95% Wilson interval."""

    model: str
    domain: str  # "mean": macro average over domains, interval by stratified bootstrap
    n: int
    mean: float
    standard_error: float
    low: float
    high: float


class Comparison(Record, kw_only=True):
    """`model` against `baseline` on the same tasks: mean paired difference, 95% interval."""

    model: str
    baseline: str
    domain: str
    n: int
    difference: float
    low: float
    high: float
    p_value: float  # exact McNemar test
