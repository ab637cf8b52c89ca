"""Somebody pretends to be another all the time, and not one frame of it arrives, whatever happens
to the agent and to its port meanwhile; and no table of others is touched."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import guarded
from tests.support.casting import MODES, Site, Vif, numbered, wait_for
from tests.support.others_tables import others_untouched
from tests.support.prober import Prober, with_addresses
from tests.support.real_host import ip, links
from vif_agent.helper import guards
from vif_agent.testing import processes
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

TABLE = ("bridge", "vif_agent")
PERMITTED = "permitted_ethertypes = {}\n"


@pytest.fixture(scope="module", params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    if missing := guards.lacks():
        pytest.skip(f"the kernel cannot guard ports: {missing}")
    options: dict[str, dict[str, Any]] = {
        "firewall": {"driver": "nftables", "permitted_ethertypes": "0x88cc"},
        "bridge": {"create_tap": True},
        "vif_agent": {"check_interval": 0},
    }
    with Site(scratch_with_bus, request.param, options) as running:
        yield running


def test_not_one_frame_of_another_arrives_from_before_the_plug_to_after_the_unplug(
    site: Site, payload: Payload, figures: Callable[[str], None]
) -> None:
    one, two = (with_addresses(numbered(payload("bridge"), n), f"10.0.0.{n}") for n in (1, 2))
    with others_untouched(), Prober(one, two) as prober:
        site.plug(two)
        for address in ("10.0.0.7", "10.0.0.8"):
            site.plug(with_addresses(one, "10.0.0.1", address))
            prober.is_heard()
            deleted_by_hand(one["devname"])
            prober.is_heard()
            killed(site, prober)
        site.daemon.stop()
        prober.is_heard()
        site.daemon.start()
        for number, another in enumerate((written_by_another_release, edited), 1):
            upgraded(site, prober, f"0x88{number:02}", another)
        site.unplug(one)
        site.plug(one)
        prober.is_heard()
        site.unplug(one)
        site.unplug(two)
    figures(f"a guest that pretends to be another: {prober.sent} frames, {prober.passed} own pass")
    assert prober.sent > 100
    assert prober.arrived == []


def deleted_by_hand(tap: str) -> None:
    before = links()[tap]["ifindex"]
    ip("link", "del", tap)
    wait_for(lambda: links()[tap]["ifindex"] != before, "a new tap")


def killed(site: Site, prober: Prober) -> None:
    site.daemon.kill()
    prober.is_heard()
    site.daemon.start()


def upgraded(site: Site, prober: Prober, permitted: str, another: Callable[[], None]) -> None:
    """The table that it finds is not its own, and its rules are others than before."""
    site.daemon.kill()
    wait_for(lambda: guarded.holder() == 0, "the helper's end")
    another()
    prober.is_heard()
    text = site.daemon.config_file.read_text()
    option = re.compile(PERMITTED.format(".*"))
    site.daemon.config_file.write_text(option.sub(PERMITTED.format(permitted), text))
    rules = [int(permitted, 16)]
    assert not guards.read(rules)["enforced"]
    site.daemon.start()
    assert guards.read(rules)["enforced"]
    prober.is_heard()


def written_by_another_release() -> None:
    """As one whose rules are not these."""
    assert guarded.write(permitted=[0x8899]) == (0, "")


def edited() -> None:
    """Without a rule that we have, and with one that we have not."""
    if not shutil.which("nft"):
        pytest.skip("nft is not installed (Debian: nftables)")
    listed = processes.run(("nft", "-a", "list", "table", *TABLE), os.environ)
    handle = re.search(r"goto drop_router_advert.*# handle (\d+)", listed)
    assert handle
    chain = re.findall(r"chain (\w+) \{", listed[: handle.start()])[-1]
    processes.run(("nft", "delete", "rule", *TABLE, chain, "handle", handle[1]), os.environ)
    processes.run(("nft", "add", "rule", *TABLE, chain, "counter"), os.environ)
