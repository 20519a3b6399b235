"""Whole runs as functions: each returns a complete recipe. A new one is a file here and one line below."""

from collections.abc import Callable

from openhorizon.config import Recipe
from openhorizon.recipes import paper as _paper
from openhorizon.recipes.demo import demo
from openhorizon.recipes.smoke import smoke

RECIPES: dict[str, Callable[[], Recipe]] = {"smoke": smoke, "demo": demo, "paper": _paper.paper}
SOURCES: dict[str, dict[str, str]] = {
    "paper": _paper.SOURCES
}  # recipe -> path of a value -> where it comes from
