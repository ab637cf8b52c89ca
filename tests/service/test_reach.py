"""What the agent's processes can reach of a host: see docs/security.md."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.service.compute import UNIT, Compute
from tests.service.machine import TREE

SECURITY = TREE.joinpath("docs", "security.md").read_text()
_NET_ADMIN = 1 << 12
#: in place of the agent, with all else of its unit
_PROBE = f"""
cp /opt/source/tests/service/inside.py /opt/inside.py
sed -E -e 's,^(ExecStart)=.*,\\1=/usr/bin/python3 /opt/inside.py,' -e 's/^Type=.*/Type=oneshot/' \
    -e '/^(Restart|Watchdog|ExecReload|\\[Install|WantedBy)/d' \
    -e 's,^\\[Service\\],&\\nStandardOutput=truncate:/run/inside,' \
    $(systemctl show --value -p FragmentPath {UNIT}) >/run/systemd/system/inside.service
systemctl daemon-reload
systemctl start inside
cat /run/inside
"""


@pytest.fixture(scope="module")
def found(compute: Compute) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(compute.run(_PROBE))
    return answer


def documented(row: str) -> list[str]:
    """The paths in a row of the table."""
    (cells,) = re.findall(rf"^\| {row} \| (.*) \|$", SECURITY, re.MULTILINE)
    return [path.replace("…", "") for path in re.findall(r"`(/[^`]*)`", cells)]


@pytest.mark.parametrize("row", ["writes", "devices", "sockets"])
def test_nothing_is_reached_but_what_is_documented(found: dict[str, Any], row: str) -> None:
    allowed = tuple(documented(row))
    others = [path for path in found[row] if not path.startswith(allowed)]
    assert [path for path in others if not path.endswith("/inside.service/memory.pressure")] == []
    for each in allowed:
        assert any(path.startswith(each) for path in found[row]), each


def test_sockets_are_of_the_families_that_the_agent_needs(found: dict[str, Any]) -> None:
    assert found["families"] == ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_UNIX"]


def test_only_the_helper_has_the_capability(
    compute: Compute, figures: Callable[[str], None]
) -> None:
    effective = {
        which: {
            name: int(compute.run(f"sed -n 's/^{name}:\t//p' /proc/{pid}/status"), 16)
            for name in ("CapEff", "CapPrm", "CapAmb", "CapBnd")
        }
        for which, pid in (("agent", compute.pid()), ("helper", compute.helper()))
    }
    figures(f"CapEff: { {which: hex(sets['CapEff']) for which, sets in effective.items()} }")
    assert effective["agent"] == {"CapEff": 0, "CapPrm": 0, "CapAmb": 0, "CapBnd": _NET_ADMIN}
    assert effective["helper"]["CapEff"] == effective["helper"]["CapBnd"] == _NET_ADMIN


def test_open_files_are_its_own(compute: Compute) -> None:
    """Of both processes: the state, and sockets."""
    of = "ls -l /proc/{}/fd | sed -n 's,.* -> /,/,p' | sort -u"
    for pid in (compute.pid(), compute.helper()):
        ours = ("/dev/null", "/proc/sys/net/", "/var/lib/vif-agent")
        opened = compute.run(of.format(pid)).splitlines()
        assert [path for path in opened if not path.startswith(ours)] == []


def test_exposure_is_what_is_documented(compute: Compute, figures: Callable[[str], None]) -> None:
    """Also by the systemd of this release."""
    rated = compute.run(f"systemd-analyze security --no-pager {UNIT}")
    found = re.search(r"exposure level for \S+: ([0-9.]+)", rated)
    assert found
    assert float(found[1]) <= 2.0
    assert f"rates it {found[1]} of 10" in SECURITY
    version = compute.run("systemctl --version").splitlines()[0]
    figures(f"{version}: {found[1]}")
