"""A kernel that cannot guard ports stops who has named a driver, and no upgrade."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import without_nftables
from tests.support.casting import MODES, Site, Vif
from tests.support.operating import ctl
from tests.support.real_host import links
from vif_agent.testing.host import ScratchHost

_AGENT = (sys.executable, without_nftables.__file__, str(Path(sys.executable).parent / "vif-agent"))
_CANNOT = "the kernel cannot guard ports, which takes nf_tables for bridges"


@pytest.mark.parametrize("mode", MODES)
def test_agent_that_names_no_driver_starts_and_says_what_is_not_guarded(
    mode: str, scratch_with_bus: ScratchHost, payload: Callable[[str], Vif]
) -> None:
    others, bridged = payload("ovs"), payload("bridge")
    with Site(scratch_with_bus, mode, argv=_AGENT) as site:
        answer = site.plug(others, wait=10)
        assert answer["state"] == "ready", (answer, site.daemon.log())
        assert _CANNOT not in site.daemon.log()
        assert [site.plug(bridged)["state"] for _ in range(2)] == ["ready"] * 2
        assert bridged["devname"] in links()
        words = f"Not guarded against spoofing: port={bridged['id']} and all others"
        assert site.daemon.log().count(words) == site.daemon.log().count(_CANNOT) == 1
        said = ctl(site.daemon.config_file, "firewall")
        assert said.code == 0, said
        assert said.out.startswith(f"no port is guarded: {_CANNOT}")


@pytest.mark.parametrize("name", ["nftables", "libvirt"])
def test_agent_that_names_one_does_not_start(tmp_path: Path, name: str) -> None:
    config = tmp_path / "vif-agent.conf"
    config.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n[firewall]\ndriver = {name}\n")
    done = subprocess.run(
        (*_AGENT, "--config-file", str(config)), capture_output=True, text=True, check=False
    )
    critical = [line for line in done.stdout.splitlines() if "Cannot start" in line]
    assert (done.returncode, len(critical)) == (2, 1), done
    assert f"[firewall] driver: {_CANNOT}" in critical[0]
    assert critical[0].endswith("Protocol not supported; driver = noop starts it without guards")
