"""Neutron's own tests of ports, with our driver for all that are bound."""

from __future__ import annotations

from typing import ClassVar

from neutron.tests.unit.plugins.ml2 import test_plugin


class TestMl2PortsV2(test_plugin.TestMl2PortsV2):  # type: ignore[misc]
    _mechanism_drivers: ClassVar[list[str]] = ["vif_agent"]
