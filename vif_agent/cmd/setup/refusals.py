"""What cannot be done here, said before anything is."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from vif_agent.cmd.setup import record as records
from vif_agent.cmd.setup.comparison import gone
from vif_agent.cmd.setup.place import ACCOUNT, UNIT, Place, missing
from vif_agent.cmd.setup.things import Thing

_USR = Path("/usr")
#: of these the unit shows the agent others, or none
_HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))
_BY_HAND = Path("/etc/systemd/system") / UNIT
_OF_A_PACKAGE = _USR / "lib/systemd/system" / UNIT
_OPERATORS_UNITS = tuple(
    Path(room, "systemd/system") for room in ("/etc", "/run", "/usr/local/lib")
)
_NAMING_ACCOUNT = re.compile(rf"^(User|Group|SupplementaryGroups)=.*{ACCOUNT}", re.MULTILINE)


def of_install(place: Place, things: Sequence[Thing]) -> list[str]:
    """Each in one line; empty if it can be done."""
    found = list(_of_environment(place, things))
    if place.root is None:
        found += [*_of_host(place), *_of_other_installations()]
    return found


def of_remove(place: Place, purge: bool) -> list[str]:
    """Likewise."""
    found = _of_host(place)
    if purge:
        found += _of_purge(place)
    return found


def _of_purge(place: Place) -> Iterator[str]:
    if _OF_A_PACKAGE.exists():
        yield f"{_OF_A_PACKAGE} is there, of a package: state and account are its, too"
    if _is_by_hand():
        yield f"{_BY_HAND} is there, made by hand: state and account are its, too"
    for path in _naming_account(place):
        yield f"{path} names the account, without which its service would not start: take it away"


def _is_by_hand() -> bool:
    return _BY_HAND.is_file() and not _BY_HAND.is_symlink()


def _naming_account(place: Place) -> Iterator[Path]:
    """Units and drop-ins that stay, as one of ovsdb-server may."""
    old = records.read(place.record)
    to_take, _ = gone(old, old.marks)
    for path in sorted(path for room in _OPERATORS_UNITS for path in room.rglob("*")):
        if path.suffix not in (".conf", ".service") or not path.is_file() or path == _BY_HAND:
            continue
        text = path.read_text(errors="replace")
        if _NAMING_ACCOUNT.search(text) and path.resolve() not in to_take:
            yield path


def _of_host(place: Place) -> list[str]:
    found = []
    if os.geteuid() != 0:
        found.append("run it as root: it lays files that are root's")
    if place.prefix == _USR:
        found.append("--prefix /usr belongs to the packages of the distribution: only with --root")
    if lacking := missing("systemctl", "systemd-sysusers"):
        found.append(f"{' and '.join(lacking)} not found: the agent is laid for hosts with systemd")
    return found


def _of_environment(place: Place, things: Sequence[Thing]) -> Iterator[str]:
    here = place.environment
    if sys.prefix == sys.base_prefix:
        yield f"{here} is no virtual environment: what is installed there is laid already"
    elif not any(thing.path.name == UNIT for thing in things):
        yield f"{here} has the program without its files, as an editable checkout: install a wheel"
    for path in {here, Path(sys.base_prefix)}:
        if hidden := [each for each in _HIDDEN if path.resolve().is_relative_to(each)]:
            yield f"{path} is below {hidden[0]}, which the unit hides from the agent"
        elif closed := [each for each in (path, *path.parents) if not each.stat().st_mode & 1]:
            yield f"{closed[-1]} is closed to others, so to the account vif-agent: chmod o+x"
    if any(letter.isspace() or letter in "%$\"'\\" for letter in str(here)):
        yield f"{here!s} has letters that mean something else in a unit: take /opt/vif-agent, say"


def _of_other_installations() -> Iterator[str]:
    if _OF_A_PACKAGE.exists():
        yield f"{_OF_A_PACKAGE} is there, of a package: keep that, or take it away by apt"
    if _is_by_hand():
        yield f"{_BY_HAND}, made by hand, would hide the unit: take it away"
