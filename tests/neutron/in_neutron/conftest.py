"""Several processes share the tests: each takes every nth, from VIF_AGENT_SHARE on."""

from __future__ import annotations

import os
from typing import Any


def pytest_collection_modifyitems(items: list[Any]) -> None:
    first, step = map(int, os.environ.get("VIF_AGENT_SHARE", "0/1").split("/"))
    items[:] = items[first::step]
