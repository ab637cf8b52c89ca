"""The mechanism driver on Neutron's own test base, in Neutron's own environment: our tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.in_neutron import IS_THERE, VENV, WHY_NOT, run_there

pytestmark = pytest.mark.skipif(not IS_THERE, reason=WHY_NOT)


def test_ours(figures: Callable[[str], None]) -> None:
    counts = run_there("0/1", "adopting.py", "binding.py", "casting.py", "reporting.py")
    figures(f"the Neutron driver's own tests, on {VENV.name}: {counts}")
