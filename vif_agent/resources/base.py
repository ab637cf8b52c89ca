"""What holds for every thing that a host can have."""

import dataclasses
import functools
from typing import ClassVar, NamedTuple, TypeAlias

LINK = "link"
VF = "vf"
OVS_BRIDGE = "ovs-bridge"
OVS_PORT = "ovs-port"
OVS_SPACES = (OVS_BRIDGE, OVS_PORT)
COMMAND = "command"
GUARD = "guard"
#: an IP address that a device of this host has: never a resource, but some depend on one
ADDRESS = "address"


class Key(NamedTuple):
    """Two resources with one key are one thing on the host. All links share one name space.

    A VF's name is its PCI address.
    """

    space: str
    name: str


Pairs: TypeAlias = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resource:
    """``shared``: several ports may want it, and one that was there before us is used as it is.

    ``only_if``: (field, value) pairs; an external thing that is not so is no longer ours to change.
    """

    space: ClassVar[str]
    kind: ClassVar[str]
    #: fields the host cannot change on a living object: a difference means making it anew
    immutable: ClassVar[frozenset[str]] = frozenset()
    #: fields that hold {key: value}: only the wanted keys are ours
    maps: ClassVar[frozenset[str]] = frozenset()
    #: fields that say how to make or judge the thing, and are not read back from it
    write_only: ClassVar[frozenset[str]] = frozenset()
    #: fields in which one that was there before us must agree, to be used as it is
    identity: ClassVar[frozenset[str]] = frozenset()
    #: others make it: never made, tagged or removed by us; while it is absent, the port waits
    external: ClassVar[bool] = False
    #: what to say of an external thing that is not there
    absent: ClassVar[str] = "others make it, and it is not there yet"

    name: str
    shared: bool = False
    only_if: tuple[tuple[str, object], ...] = ()

    #: made once: a reconcile of a port asks for it a hundred times
    key: ClassVar[Key]

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", Key(self.space, self.name))

    @property
    def stands_on(self) -> tuple[Key, ...]:
        """What others keep, and whose coming, going or moving is a reason to reconcile this."""
        return ()

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def restored(self) -> "Resource | None":
        """An external thing as it is left when no port wants it any longer; None: as it is now."""
        return None

    def specified(self) -> dict[str, object]:
        """The fields to compare, by name."""
        names = _specified_fields(type(self))  # type: ignore[arg-type] # mypy: a class with __eq__
        fields = ((name, getattr(self, name)) for name in names)
        return {name: value for name, value in fields if value is not None}


@functools.cache
def _specified_fields(kind: type[Resource]) -> tuple[str, ...]:
    skipped = {"name", "shared", "only_if", *kind.write_only}
    return tuple(f.name for f in dataclasses.fields(kind) if f.name not in skipped)
