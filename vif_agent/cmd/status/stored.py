"""The store's ports, read off a copy: what the next start will find."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from vif_agent.ports import store_file, store_schema
from vif_agent.ports.port import Port
from vif_agent.ports.store_file import sqlite_errors
from vif_agent.ports.store_reader import Reader


@dataclasses.dataclass(frozen=True)
class Stored:
    """``live``: those that are not unplugged. ``spoilt``: by port what is wrong with its row."""

    live: Sequence[Port] = ()
    spoilt: Mapping[str, str] = dataclasses.field(default_factory=dict)
    is_new: bool = False

    @classmethod
    def of(cls, conf: Any) -> "Stored":
        """StoreUnusable, StoreUnavailable."""
        path = store_file.to_be_opened(store_file.path(conf))
        if not path.exists():
            return cls(is_new=True)
        reader = Reader(_Copy(path), boot="")
        with sqlite_errors():
            return cls(list(reader.live()), reader.unreadable)


class _Copy:
    def __init__(self, path: Any) -> None:
        self.db = store_schema.copied(path)
