"""Whose turn it is with a port: all that can become of one has an answer."""

from __future__ import annotations

import dataclasses

import pytest

from tests.kit.test_docs_api import AGAIN, CODES
from vif_agent.daemon.whose_turn import AGENT, NOBODY, TURNS, turn_of
from vif_agent.errors import Conflict, HelperGone, Problem
from vif_agent.ports.port import ERROR, PENDING, READY, UNPLUGGED, Port, Spec

PORT = "5843eca1-e1fe-5bb2-a9c2-8f97bae40c4e"
IS = Port(
    port_id=PORT,
    seq=1,
    since=1,
    verb="plug",
    generation=1,
    spec=Spec("{}", "{}"),
    vif_type="tap",
    request_id="",
    received_at=0.0,
    state=READY,
)


def test_every_error_has_one_whose_turn_it_is() -> None:
    assert TURNS.keys() == CODES


@pytest.mark.parametrize("code", sorted(CODES))
def test_what_the_agent_tries_again_is_the_agents_turn(code: str) -> None:
    by_itself = AGAIN[code] == "yes" or code == HelperGone.code  # a new agent does
    assert (TURNS[code].whose == AGENT) == by_itself or AGAIN[code] == "both"


@pytest.mark.parametrize(
    ("state", "differs", "unready", "whose"),
    [
        (READY, False, False, NOBODY),
        (READY, True, False, AGENT),
        (READY, False, True, NOBODY),
        (PENDING, False, False, AGENT),
        (UNPLUGGED, False, True, NOBODY),
    ],
)
def test_without_an_error(state: str, differs: bool, unready: bool, whose: str) -> None:
    assert turn_of(dataclasses.replace(IS, state=state), differs, unready).whose == whose


def test_commands_name_the_port_and_what_is_in_the_way() -> None:
    problem = Problem(Conflict.code, "tap5843eca1-e1 exists, is a bridge and is not ours", False)
    turn = turn_of(dataclasses.replace(IS, state=ERROR, problem=problem))
    assert [*turn.commands] == [
        "ip -d link show tap5843eca1-e1",
        f"vif-agentctl repair {PORT}",
    ]


def test_error_of_a_later_agent_is_nobodys_loss() -> None:
    """Its store was read by this one."""
    problem = Problem("of_tomorrow", "", False)
    assert turn_of(dataclasses.replace(IS, state=ERROR, problem=problem)).whose == AGENT
