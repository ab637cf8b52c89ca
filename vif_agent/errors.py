"""Errors, by who must act: the caller, the operator, nobody yet (retry), or us (a bug)."""

import dataclasses
import reprlib

_LONGEST_MESSAGE = 1200  # characters


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """An error as a value: stored with a port, notified, shown to operators.

    ``code`` is part of the bus contract and never changes its meaning; ``transient`` says that
    the agent tries again by itself.
    """

    code: str
    message: str
    transient: bool = False

    def __post_init__(self) -> None:
        """It stands in a line of the log: what a program or a database says may have no end."""
        if len(self.message) > _LONGEST_MESSAGE:
            object.__setattr__(self, "message", self.message[:_LONGEST_MESSAGE] + "…")


_LONGEST = 1500  # characters of a message


class VifAgentError(Exception):
    """Base of all errors the agent raises on purpose. As it stands: a bug of ours."""

    code = "internal"
    transient = False

    @property
    def problem(self) -> Problem:
        """As it is stored and reported: bounded, and printable."""
        return Problem(self.code, plain(str(self), _LONGEST), self.transient)


class Internal(VifAgentError):
    """A bug of ours, met on the way."""


class InvalidRequest(VifAgentError):
    """The caller must send something else: ``field`` held ``value``, not what was expected."""

    code = "invalid_request"

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}, got {brief(value)}")
        self.field = field


class BindingRefused(VifAgentError):
    """Neutron has not bound the port; nothing on this host can plug it."""

    code = "binding_refused"


class StaleGeneration(VifAgentError):
    """A newer request for the port is already stored."""

    code = "stale_generation"


class NoPlugin(VifAgentError):
    """No plugin is installed for the vif_type (the operator's to install, or the caller's typo)."""

    code = "no_plugin"


class NotConfigured(VifAgentError):
    """The agent's configuration lacks what the port needs, or contradicts itself."""

    code = "not_configured"


class PluginFailed(VifAgentError):
    """The plugin raised, hung or answered nonsense: a bug of the plugin."""

    code = "plugin_failed"


class PluginResting(PluginFailed):
    """The plugin hung or died on another VIF; this one is asked about a little later."""

    transient = True


class Conflict(VifAgentError):
    """Something that is not ours is in the way; the operator must move one of the two."""

    code = "conflict"


class HostRefused(VifAgentError):
    """Kernel or Open vSwitch refuses for good: not supported, not permitted, out of range."""

    code = "host_refused"


class NotYet(VifAgentError):
    """The host cannot do it now; the agent tries again by itself."""

    code = "not_yet"
    transient = True


class Unanswered(NotYet):
    """The plugin is thinking; the port goes on when it has answered."""


class OvsdbUnavailable(NotYet):
    """No connection to ovsdb-server, or ovs-vswitchd does not follow."""

    code = "ovsdb_unavailable"


class StoreUnavailable(NotYet):
    """The request cannot be written to disk now."""

    code = "store_unavailable"


class StoreUnusable(VifAgentError):
    """The agent does not start: its store is of another release, or is none."""


class CommandFailed(NotYet):
    """A vendor's command has failed, or came to no end: often for want of its own daemon."""

    code = "command_failed"


class CommandNotAllowed(VifAgentError):
    """The configuration does not say where that program is; the operator must allow it."""

    code = "command_not_allowed"


class Relayed(VifAgentError):
    """An error of another process, in that process's words."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.code = problem.code
        self.transient = problem.transient


class InvalidConfiguration(VifAgentError):
    """The agent does not start: the operator must write ``option`` otherwise."""

    def __init__(self, option: str, value: object, expected: str) -> None:
        super().__init__(f"{option}: expected {expected}, got {brief(value)}")


class HelperGone(VifAgentError):
    """The privileged helper has died; only a restart of the agent brings it back."""

    code = "helper_gone"


def codes(kind: type[VifAgentError] = VifAgentError) -> frozenset[str]:
    """All that a port can have."""
    return frozenset({kind.code}).union(*map(codes, kind.__subclasses__()))


_SHORT = reprlib.Repr()  # a sender may nest megabytes: no more is read than is shown
_SHORT.maxstring = _SHORT.maxother = 200
_SHORT.maxlong = 5000  # digits; Python itself refuses more
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = 20


def brief(value: object, limit: int = 80) -> str:
    """A value as it may stand in a message: its repr, cut to ``limit`` characters."""
    try:
        text = repr(value[: limit + 1]) if isinstance(value, str) else _SHORT.repr(value)
    except (RecursionError, ValueError):  # nested too deep; an int of more than 4,300 digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= limit else text[:limit] + "…"


def plain(text: str, limit: int = 1000) -> str:
    """What others have written, as a store, a log and a terminal take it: short, of one line, with
    no character that controls anything."""
    cut = text[:limit] + "…" * (len(text) > limit)
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)
