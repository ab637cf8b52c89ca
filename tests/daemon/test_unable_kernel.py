"""Which driver is asked where none is named, and the kernel says that it cannot guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.real_host import PORT
from vif_agent.daemon import guards
from vif_agent.firewall.nftables import NftablesDriver
from vif_agent.helper.codec import to_plain
from vif_agent.helper.orders import SetGuard
from vif_agent.host.guarding import NoTable
from vif_agent.plugin_host.drivers import Drivers
from vif_agent.plugin_host.in_process import InProcessDriver

MAC = "fa:16:3e:00:00:01"


class Unable(NoTable):
    def __init__(self, owner: str = "", error: OSError | None = None) -> None:
        self._owner, self._error = owner, error

    def read(self) -> Mapping[str, Any]:
        if self._error:
            raise self._error
        order = SetGuard(name="tap-a", owner=self._owner, macs=(MAC,), pairs=())
        return {"enforced": False, "generation": 1, "guards": {"tap-a": to_plain(order)}}


def needed(table: NoTable) -> tuple[bool, bool]:
    drivers = Drivers(InProcessDriver("nftables", NftablesDriver()), named=False)
    guarding = guards.chosen(drivers, table, None)
    return guarding.needed, bool(guarding.missing)


@pytest.mark.parametrize("table", [NoTable(), Unable(), Unable(error=PermissionError(1, ""))])
def test_host_without_guards_goes_on_without(table: NoTable) -> None:
    assert needed(table) == (False, True)


@pytest.mark.parametrize("table", [Unable(PORT), Unable(error=OSError(24, "no descriptor"))])
def test_guards_that_stand_are_not_taken_away(table: NoTable) -> None:
    assert needed(table) == (True, False)
