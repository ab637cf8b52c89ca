"""What is used of oslo.log that its documentation does not promise: its handler for the journal.

``use_journal`` is its own option, but needs systemd-python, which PyPI has as source only, for a
compiler and systemd's headers. What it takes of that is one function. And of what a record says it
writes some fields, and not ours.
"""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from oslo_log import handlers


def journal_by(send: Callable[..., None], fields: Sequence[str]) -> None:
    """To be called before the log is set up. ``send``: as systemd.journal's; ``fields``: of a
    record, which the journal has in capitals."""
    library: Any = handlers
    library.journal = SimpleNamespace(send=send)
    handler = library.OSJournalHandler
    handler.custom_fields = tuple(dict.fromkeys((*handler.custom_fields, *fields)))
