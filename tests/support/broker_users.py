"""A user of the broker's for each host, as docs/security.md tells an operator to make one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

SECURITY = Path(__file__).parent.parent.parent / "docs" / "security.md"
VHOST, PASSWORD = "vif-agent", "secret"


def commands(user: str, host: str) -> list[list[str]]:
    """What the document tells an operator to type, for this user and host."""
    section = SECURITY.read_text().partition("## A RabbitMQ user for each host\n")[2]
    found = re.search(r"(?:^    .*\n)+", section, re.MULTILINE)
    assert found
    block = found.group().replace("\\\n", " ").replace("vif-agent-compute-1", user)
    assert "compute-1" in block
    block = block.replace("compute-1", re.escape(host)).replace("PASSWORD", PASSWORD)
    return [shlex.split(line)[1:] for line in block.splitlines()]
