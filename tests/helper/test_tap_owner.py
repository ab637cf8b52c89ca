"""Who may open a tap of a port's: whoever can is the guest, to the network."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helper.test_privileges import AS_NOBODY, NOBODY
from tests.support import accounts
from tests.support.casting import Site, Vif
from tests.support.real_host import links
from vif_agent.testing.daemon import Daemon
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

QEMU, STRANGER = 64055, 12345  # 64055 is libvirt-qemu's on Debian
#: as libvirt's virNetDevTapCreate, and qemu itself where it is given a name
OPENS = """
import fcntl, struct, sys
control = open(sys.argv[1], "r+b", buffering=0)
flags = 0x0002 | 0x1000 | 0x4000  # IFF_TAP, IFF_NO_PI, IFF_VNET_HDR
try:
    fcntl.ioctl(control, 0x400454CA, struct.pack("16sH22x", sys.argv[2].encode(), flags))
except PermissionError:
    sys.exit(1)
"""


def opens(uid: int, tun: Path, name: str) -> bool:
    """Can this user, who has no capability?"""
    as_user = (f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--bounding-set=-all")
    code = (sys.executable, "-I", "-c", OPENS, str(tun), name)
    done = subprocess.run(("setpriv", *as_user, *code), timeout=60, check=False)
    assert done.returncode in (0, 1)
    return done.returncode == 0


@pytest.fixture
def tun(scratch_with_bus: ScratchHost) -> Path:
    tun = scratch_with_bus.own_tun_device()
    tun.chmod(0o666)  # as udev makes it
    return tun


@pytest.fixture(params=["the agent's", "qemu's"])
def owner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def site(scratch_with_bus: ScratchHost, owner: str) -> Iterator[Site]:
    accounts.must_reach()
    options: dict[str, Any] = {"vif_agent": {"tap_owner": QEMU}} if owner == "qemu's" else {}
    running = Site(scratch_with_bus, "threading", options, argv=AS_NOBODY)
    running.daemon.state_path.chmod(0o777)
    with running:
        yield running


@pytest.mark.parametrize("name", ["tap", "ovs_create_tap"])
def test_tap_is_opened_by_its_owner_and_by_whoever_may_do_all(
    site: Site, payload: Payload, tun: Path, owner: str, name: str
) -> None:
    vif = payload(name)
    assert site.plug(vif)["state"] == "ready"
    tap, owning = vif["devname"], NOBODY if owner == "the agent's" else QEMU
    for uid in (NOBODY, QEMU, STRANGER):
        assert opens(uid, tun, tap) == (uid == owning), uid
    with TapEnd(tap, tun, vnet_hdr=True):  # libvirtd, which hands it to qemu
        pass
    assert links()[tap]["linkinfo"]["info_data"]["type"] == "tap"
    assert site.writes(lambda: site.plug(vif)) == []
    site.unplug(vif)


@pytest.mark.usefixtures("namespace")
def test_tap_without_an_owner_is_anybodys(tun: Path) -> None:
    """What this is for: how it was, and is with a tap that nobody has given to anybody."""
    subprocess.run(("ip", "tuntap", "add", "tap-b", "mode", "tap"), check=True)
    assert opens(STRANGER, tun, "tap-b")


def test_account_that_does_not_exist_ends_the_start(scratch_with_bus: ScratchHost) -> None:
    options = {"vif_agent": {"tap_owner": "nobody-of-that-name"}}
    daemon = Daemon(scratch_with_bus, "rabbit://127.0.0.1:1/", options)
    daemon.launch()
    assert daemon.process
    assert daemon.process.wait(60) == 2
    text = "[vif_agent] tap_owner = nobody-of-that-name: there is no such account"
    assert text in daemon.log().splitlines()[-1]
