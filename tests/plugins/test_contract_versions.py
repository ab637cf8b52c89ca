"""Which contracts of plugins an agent speaks, and how it says goodbye to one."""

from __future__ import annotations

import pytest

from vif_agent.contract import CONTRACT, leaves_in, why_not

TWO_MAJORS = {1: 3, 2: 0}


def test_own_contract_is_spoken() -> None:
    assert why_not(CONTRACT) == ""
    assert leaves_in(CONTRACT) == ""


@pytest.mark.parametrize("contract", ["1.0", "1.3", "2.0"])
def test_older_minors_of_two_majors_are_spoken(contract: str) -> None:
    assert why_not(contract, TWO_MAJORS) == ""


@pytest.mark.parametrize("contract", ["1.4", "2.1", "0.9", "3.0"])
def test_unknown_version_is_named_with_those_that_are_spoken(contract: str) -> None:
    assert why_not(contract, TWO_MAJORS) == (
        f"contract {contract} is not known to this agent, which speaks 1.0, 1.1, 1.2, 1.3, 2.0"
    )


@pytest.mark.parametrize("contract", ["", "1", "1.0.0", "v1.0", "1.x", "1.0\n", None, 1.0])
def test_what_is_no_version_is_refused(contract: object) -> None:
    assert why_not(contract).startswith("contract: expected a version such as '1.0', got ")


def test_release_without_an_older_major_is_known() -> None:
    assert leaves_in("1.2", {1: "4.0"}) == "4.0"
    assert leaves_in("2.0", {1: "4.0"}) == ""
