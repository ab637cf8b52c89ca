"""Whose turn it is with a port, by its error's code, and what they can type. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vif_agent import errors
from vif_agent.ports.port import PENDING, READY, UNPLUGGED, Port

OPERATOR, SENDER, AGENT, NOBODY = "the operator", "the sender", "the agent", "nobody"

_REPAIR = "vif-agentctl repair {port}"
_LOG = "journalctl -u vif-agent | grep {port}"
_RESTART = "systemctl restart vif-agent"
_OVS = "systemctl status ovs-vswitchd ovsdb-server"


class Turn(NamedTuple):
    """``commands``: with ``{port}`` for its UUID, and ``{name}`` for what the error begins with."""

    whose: str
    what: str
    commands: Sequence[str] = ()


TURNS: Mapping[str, Turn] = {
    errors.InvalidRequest.code: Turn(SENDER, "mends what the message names, and casts it again"),
    errors.BindingRefused.code: Turn(
        SENDER, "plugs again when Neutron has bound the port: neutron-server's log says why not"
    ),
    errors.StaleGeneration.code: Turn(
        SENDER, "need do nothing, for a newer request is stored", ("vif-agentctl forget {port}",)
    ),
    errors.NoPlugin.code: Turn(
        OPERATOR, "installs the plugin, or mends it", ("vif-agentctl plugin list", _RESTART)
    ),
    errors.NotConfigured.code: Turn(OPERATOR, "sets the option that is named", (_RESTART,)),
    errors.PluginFailed.code: Turn(
        OPERATOR, "tells the author of the plugin; the log has more", (_LOG, _REPAIR)
    ),
    errors.Conflict.code: Turn(
        OPERATOR,
        "moves one of the two; the port goes on when that has gone",
        ("ip -d link show {name}", _REPAIR),
    ),
    errors.HostRefused.code: Turn(
        OPERATOR, "mends what the kernel or Open vSwitch names", (_REPAIR,)
    ),
    errors.CommandNotAllowed.code: Turn(
        OPERATOR, "names the program in [commands] allowed", (_RESTART,)
    ),
    errors.CommandFailed.code: Turn(AGENT, "tries again; if it lasts, look at the vendor's daemon"),
    errors.NotYet.code: Turn(AGENT, "tries again; if it lasts, the message says what is missing"),
    errors.OvsdbUnavailable.code: Turn(
        AGENT, "tries again; if it lasts, look at Open vSwitch", (_OVS,)
    ),
    errors.StoreUnavailable.code: Turn(
        AGENT, "tries again; if it lasts, look at the disk", ("vif-agentctl status",)
    ),
    errors.HelperGone.code: Turn(AGENT, "is started anew by systemd"),
    errors.Internal.code: Turn(AGENT, "tries again; please report this bug", (_LOG,)),
}

_WAITS = Turn(AGENT, "has it on disk and does it; if it lasts, the agent is busy or stuck",
              ("vif-agentctl status", _LOG))  # fmt: skip
_MENDS = Turn(AGENT, "puts right what differs; at growing pauses, if it is undone again and again",
              (_REPAIR,))  # fmt: skip
_OTHERS = Turn(NOBODY, "of us: others have yet to do their part")
_NOTHING = Turn(NOBODY, "has anything to do")


def turn_of(port: Port, differs: bool = False, unready: bool = False) -> Turn:
    """``differs``: the host does from what the port wants; ``unready``: others are not done."""
    if port.problem:
        turn = TURNS.get(port.problem.code, TURNS[errors.Internal.code])
        return _filled(turn, port, port.problem.message.split(" ", 1)[0])
    if port.state == PENDING:
        return _filled(_WAITS, port)
    if port.state == READY and differs:
        return _filled(_MENDS, port)
    return _OTHERS if unready and port.state != UNPLUGGED else _NOTHING


def _filled(turn: Turn, port: Port, name: str = "") -> Turn:
    commands = [text.format(port=port.port_id, name=name) for text in turn.commands]
    return Turn(turn.whose, turn.what, commands)
