"""SQLAlchemy, which every controller of Neutron's has, as a ``Transaction``."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import exc

from vif_agent.neutron.adoption.database import Failed, Row
from vif_agent.neutron.adoption.settings import Unreadable

_FORM = "KIND+DRIVER://USER:PASSWORD@HOST:PORT/NAME"


class Engine:
    """``url``: Neutron's ``[database] connection``. Unreadable says why there is none by it, never
    in the words of what was raised: they may have a piece of the password."""

    def __init__(self, url: str) -> None:
        try:
            self._engine = sqlalchemy.create_engine(url)
        except ImportError as error:
            why = f"its driver is not installed here: {error.name}"
        except exc.NoSuchModuleError:
            why = "it names no kind of database, or driver, that is known here"
        except (exc.ArgumentError, ValueError):
            why = (
                f"expected {_FORM}, with a number as port, and % codes for :, / and @ in a password"
            )
        else:
            return
        raise Unreadable(f"[database] connection: {why}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator["_Transaction"]:
        """Committed at its end; what is raised undoes it. Failed, for what the database says."""
        try:
            with self._engine.begin() as connection:
                yield _Transaction(connection)
        except exc.SQLAlchemyError as error:
            why = error.args[0] if error.args else error
            raise Failed(f"Neutron's database: {why}") from error


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
