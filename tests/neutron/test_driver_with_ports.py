"""Neutron's own tests of ports with our mechanism driver loaded, in Neutron's own environment.

A module beside test_driver: of the runs that share the suite two may have a part of it each.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.in_neutron import IS_THERE, VENV, WHY_NOT, run_there

SHARES = 2  # no test is to last long

pytestmark = pytest.mark.skipif(not IS_THERE, reason=WHY_NOT)


@pytest.mark.parametrize("share", range(SHARES))
def test_neutrons_own_tests_of_ports(share: int, figures: Callable[[str], None]) -> None:
    counts = run_there(f"{share}/{SHARES}", "ports.py")
    figures(f"Neutron's tests of ports with our driver, a half, on {VENV.name}: {counts}")
