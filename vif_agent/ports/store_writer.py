"""What is written into the store's file: all statements, within the store's transactions."""

import time
from collections.abc import Callable, Iterable, Mapping

from vif_agent.ports import store_rows
from vif_agent.ports.accepted import Accepted
from vif_agent.ports.port import UNPLUGGED, FullSet, Port, PortRequest
from vif_agent.ports.store_file import StoreFile

#: how long an unplugged port's generation, and a message's id, are remembered
_REMEMBER_SECONDS = 7 * 24 * 3600

_SEEN = "INSERT OR IGNORE INTO seen VALUES (?, ?)"
_LINK = "INSERT INTO links VALUES (?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM ports WHERE port_id = ?"


class Writer:
    """``boot``: which boot of the host this is. ``age``: of the store, up to this start."""

    def __init__(
        self, file: StoreFile, boot: str, age: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = file
        self._boot = boot
        self._clock = clock
        self._born = clock() - age

    def first_time(self, item: PortRequest | FullSet) -> bool:
        """Of a message; and note that it was here."""
        if not item.message_id:
            return True
        return self._file.db.execute(_SEEN, (item.message_id, self.age())).rowcount == 1

    def requests(self, accepted: Accepted) -> None:
        """New rows, or a new generation where a request says the same again."""
        for port_id, port in accepted.ports.items():
            if port_id in accepted.renewed:
                self.generation(port_id, port.generation)
            else:
                row = store_rows.of_request(port, self._boot)
                self._file.db.execute(store_rows.PUT, row)

    def results(self, ports: Iterable[Port]) -> None:
        """Of requests that are still the ports' latest."""
        rows = [store_rows.of_result(port, self._boot, self.age()) for port in ports]
        if rows:
            self._file.db.executemany(store_rows.RESULT, rows)

    def made(self, port: Port) -> None:
        """Which vendors' programs have been run for it."""
        self._file.db.execute(store_rows.MADE, (store_rows.made(port), self._boot, port.port_id))

    def generation(self, port_id: str, generation: int) -> None:
        """Of a request that says the same again."""
        self._file.db.execute(store_rows.RENEWED, (generation, port_id))

    def links(self, links: Mapping[str, tuple[int, str, str]]) -> None:
        """In place of all that were there."""
        self._file.db.execute("DELETE FROM links")
        rows = [(name, *link, self._boot) for name, link in links.items()]
        self._file.db.executemany(_LINK, rows)

    def forget(self, port_id: str) -> bool:
        """Was there anything to forget?"""
        return self._file.db.execute(_FORGET, (port_id,)).rowcount > 0

    def forget_old(self) -> None:
        """Drop what is only kept against late messages, once it is old.

        What an earlier release has stored carries no age: it is as old as it is found here.
        """
        age, database = self.age(), self._file.db
        database.execute("UPDATE age SET seconds = ?", (age,))
        database.execute("UPDATE seen SET at = ? WHERE at > ?", (age, age))
        database.execute("DELETE FROM seen WHERE at < ?", (age - _REMEMBER_SECONDS,))
        database.execute(
            "UPDATE ports SET left_at = ? WHERE state = ?"
            " AND (left_at IS NULL OR left_at > ?)", (age, UNPLUGGED, age),
        )  # fmt: skip
        database.execute(  # the last one's seq tells how many there were
            "DELETE FROM ports WHERE state = ? AND left_at < ?"
            " AND seq < (SELECT MAX(seq) FROM ports)", (UNPLUGGED, age - _REMEMBER_SECONDS),
        )  # fmt: skip

    def age(self) -> float:
        """Seconds that this store was in use: ages go by it, for a host's clock may jump."""
        return self._clock() - self._born
