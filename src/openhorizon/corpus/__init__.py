"""Documents in: folders of Markdown or HTML, JSONL, MediaWiki dumps become documents, passages and graph.

Readers stream: one page is in memory at a time. Nothing here fetches anything or judges what a page says.
"""

from openhorizon.corpus.graph import material_graph, passages, to_graph
from openhorizon.corpus.read import read
from openhorizon.corpus.skipped import Skipped

__all__ = ["Skipped", "material_graph", "passages", "read", "to_graph"]
