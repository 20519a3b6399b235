"""openhorizon: from documents to one deployable long-horizon agent. Start reading at `pipeline.py`."""

__version__ = "0.1.0"
