"""Where the graph's tests put their graphs: a SQLite file, and a schema of its own in a PostgreSQL that is named."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from openhorizon.graph.store import GraphStore

POSTGRES = os.environ.get("OPENHORIZON_TEST_POSTGRES", "")
WITHOUT = "OPENHORIZON_TEST_POSTGRES names no server; .ci/postgres starts one"


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.skipif(not POSTGRES, reason=WITHOUT))]
)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a graph may be made; gone after the test."""
    if request.param == "sqlite":
        yield str(tmp_path / "graph.db")
        return
    schema = f"t_{uuid.uuid4().hex}"
    server = sa.create_engine(sa.make_url(POSTGRES).set(drivername="postgresql+psycopg"))
    with server.begin() as db:
        db.execute(sa.schema.CreateSchema(schema))
    yield f"{POSTGRES}?options=-csearch_path%3D{schema}"
    with server.begin() as db:
        db.execute(sa.schema.DropSchema(schema, cascade=True))
    server.dispose()


@pytest.fixture
def store(address: str) -> Iterator[GraphStore]:
    with GraphStore(address) as store:
        yield store
