"""Vendors' programs."""

import dataclasses
import shlex
from typing import ClassVar

from vif_agent.resources.base import COMMAND, Resource


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(Resource):
    """A vendor's program, run once for a port and undone once: ``plug``, ``unplug``, and ``check``
    (exit status 0: it is done) are argument vectors, the program's bare name first.

    Its name is the plug's command line, so that with one other argument it is another command.
    ``about``: the device that it speaks of; when that is made anew, the command is run anew.
    ``makes``: and that it makes, so it comes before the port's other things and is undone last.
    ``done`` is None where nobody can tell.
    """

    space: ClassVar[str] = COMMAND
    kind: ClassVar[str] = "command"
    write_only: ClassVar[frozenset[str]] = frozenset({"plug", "unplug", "check", "about", "makes"})
    external: ClassVar[bool] = True

    name: str = dataclasses.field(init=False, default="")
    plug: tuple[str, ...]
    unplug: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    about: str = ""
    makes: bool = False
    done: bool | None = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", shlex.join(self.plug))
        super().__post_init__()

    def __str__(self) -> str:
        return shlex.join(self.vector)

    @property
    def vector(self) -> tuple[str, ...]:
        """What makes it so."""
        return self.plug if self.done else self.unplug

    def restored(self) -> "Command | None":
        """The same, to be undone; None where the plugin says no way."""
        return dataclasses.replace(self, done=False) if self.unplug else None
