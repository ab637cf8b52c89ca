"""SQLAlchemy, which every controller of Neutron's has, as a ``Transaction``."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy

from vif_agent.neutron.adoption.database import Row


class Engine:
    """``url``: Neutron's ``[database] connection``."""

    def __init__(self, url: str) -> None:
        self._engine = sqlalchemy.create_engine(url)

    @contextlib.contextmanager
    def transaction(self) -> Iterator["_Transaction"]:
        """Committed at its end; what is raised undoes it."""
        with self._engine.begin() as connection:
            yield _Transaction(connection)


class _Transaction:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def rows(self, statement: str, **values: Any) -> Sequence[Row]:
        found: Sequence[Row] = (
            self._connection.execute(sqlalchemy.text(statement), values).mappings().all()
        )
        return found

    def change(self, statement: str, **values: Any) -> int:
        return int(self._connection.execute(sqlalchemy.text(statement), values).rowcount)
