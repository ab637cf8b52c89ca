"""What an option of ours may hold, where oslo.config has no type for it."""

import shlex
from typing import Any

from oslo_config import types

_LONGEST_HOST = 255 - len("vif_agent_admin.")


class Words(types.String):
    """What a shell could split."""

    def __call__(self, value: Any) -> str:
        """ValueError where a quotation has no end."""
        words = str(super().__call__(value))
        shlex.split(words)
        return words


class BusName(types.String):
    """What a queue's name can end in: AMQP has 255 bytes for all of it.

    A word between dots that is * or # stands for any in the binding of a queue: it would get the
    casts of other hosts.
    """

    def __call__(self, value: Any) -> str:
        """ValueError says what a queue's name must be."""
        name = str(super().__call__(value))
        if not name or not name.isprintable():
            raise ValueError("expected a name, of characters that can be printed")
        if len(name.encode()) > _LONGEST_HOST:
            raise ValueError(f"expected {_LONGEST_HOST} bytes at most: queues are named after it")
        if {"*", "#"} & set(name.split(".")):
            raise ValueError("expected no * or # between dots: to the broker that is any name")
        return name
