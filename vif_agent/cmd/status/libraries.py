"""Are the libraries as this release needs them?"""

from collections.abc import Iterator
from typing import Any

from vif_agent import private_names
from vif_agent.cmd.status.finding import Finding, failure
from vif_agent.private_names import table


def findings(_: Any) -> Iterator[Finding]:
    """As the agent itself looks when it starts."""
    if changed := trouble():
        yield failure(changed)


def trouble() -> str:
    """One line on the first that is not; empty where all are."""
    return private_names.trouble(table.AGENT)
