"""What this environment's wheel has brought for the host, and where that goes.

The one list of these files is ``[options.data_files]`` of setup.cfg. pip lays them in the
environment and writes down which they are; here that is read again.
"""

import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from vif_agent.cmd.setup.place import Place
from vif_agent.cmd.setup.things import File, Link, Thing

_OWN = "vif-agent-setup"  # run from its environment, which it is to know


def things(place: Place) -> tuple[Thing, ...]:
    """All that is to be put in place."""
    return tuple(filter(None, (_thing(place, path) for path in _laid_by_pip(place.environment))))


def _laid_by_pip(environment: Path) -> Iterator[Path]:
    """Below the environment, but for the Python packages."""
    for file in metadata.distribution("vif-agent").files or ():
        path = Path(os.path.normpath(file.locate()))
        if path.is_relative_to(environment) and "site-packages" not in path.parts and path.exists():
            yield path.relative_to(environment)


def _thing(place: Place, path: Path) -> Thing | None:
    source = place.environment / path
    match path.parts[0]:
        case "bin" if path.name != _OWN:
            return _command(source, place.prefix / path)
        case "etc":
            return File("/" / path, source.read_bytes())
        case "lib" | "share":
            return File(_target(place.prefix, path), _rewritten(source.read_bytes(), place))
    return None


def _target(prefix: Path, path: Path) -> Path:
    if path.parts[:2] == ("lib", "NetworkManager") and prefix != Path("/usr"):
        return "/etc" / path.relative_to("lib")  # it reads nothing below /usr/local
    return prefix / path


def _command(source: Path, link: Path) -> Link:
    near = source.parts[1] == link.parts[1]
    return Link(link, os.path.relpath(source, link.parent) if near else str(source))


def _rewritten(text: bytes, place: Place) -> bytes:
    """The files in git name the paths of a package with the prefix /usr. The start of a name is
    enough, for a man page writes its hyphen in another way."""
    commands, share = f"{place.environment}/bin/vif", f"{place.prefix}/share/doc/vif"
    text = text.replace(b"/usr/bin/vif", commands.encode())
    return text.replace(b"/usr/share/doc/vif", share.encode())
