"""What the documents tell an operator to type does what they say."""

from __future__ import annotations

import itertools
import os
import textwrap
from collections.abc import Callable
from pathlib import Path

from tests.support.documented import section, steps
from tests.support.real_host import Ports, Vif, links, rows
from vif_agent.testing import processes
from vif_agent.testing.ovs import PrivateOvs

OPERATIONS = Path(__file__).parent.parent.parent / "docs" / "operations.md"


def block_after(words: str) -> str:
    """The indented block that follows these words."""
    lines = OPERATIONS.read_text().partition(words)[2].lstrip("\n").splitlines()
    block = itertools.takewhile(lambda line: line.startswith("       "), lines)
    return textwrap.dedent("\n".join(block))


def test_owner_tags_can_be_taken_off_by_hand(
    ports: Ports, payload: Callable[[str], Vif], ovs: PrivateOvs
) -> None:
    vifs = [payload(name) for name in ("ovs_hybrid", "ovs_create_tap", "bridge", "tap")]
    ports.plug(*vifs)
    before = {name: link["ifindex"] for name, link in links().items()}
    script = block_after("To take them off all the same:\n")
    assert "alias ''" in script
    environment = {**os.environ, "OVS_RUNDIR": str(ovs.directory)}
    processes.run(("sh", "-ec", script), environment)
    assert not [link for link in links().values() if link.get("ifalias")]
    for table in ("interface", "bridge"):
        assert not [row for row in rows(ovs, table) if "vif-agent" in row["external_ids"]]
    assert {name: link["ifindex"] for name, link in links().items()} == before


TEXT = """
## Other

    scripts/other

## One

Say `apt install this`, or only `vif-agent`, then:

    ip link show   # a comment
    install -D \\
        /one /two

```python
print(1)
```

    cat <<'END' >/three
    four
    END
"""


def test_steps_are_what_is_typed_in_one_go() -> None:
    typed = ["apt install this", "ip link show", "install -D \\\n    /one /two"]
    assert steps(section(TEXT, "One")) == [*typed, "cat <<'END' >/three\nfour\nEND"]
    assert steps(section(TEXT, "Other")) == ["scripts/other"]
