"""Does this release know all options of the files, and can their values be?"""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

from oslo_config import cfg
from oslo_privsep import priv_context

from vif_agent import config
from vif_agent.cmd.status.finding import Finding, failure, warning
from vif_agent.cmd.status.subject import Subject
from vif_agent.config import checks

#: by their names for oslo.config's own tools
_LIBRARIES = ("oslo.log", "oslo.messaging")
#: senders may have the same file
_SENDERS = ("vif_agent_neutron", "vif_agent_nova")
#: what names the files themselves
_OF_FILES = {("DEFAULT", "config_file"), ("DEFAULT", "config_dir"), ("DEFAULT", "config_source")}


class Given(NamedTuple):
    """An option as it stands in a file."""

    file: str
    group: str
    name: str

    def __str__(self) -> str:
        return f"[{self.group}] {self.name} ({self.file})"


Name = tuple[str, str]


def findings(subject: Subject) -> Iterator[Finding]:
    """Wrong values, then what is only to be written otherwise."""
    conf = subject.conf
    wrong = [*checks.wrong(conf), *_wrong_of_libraries(conf)]
    yield from map(failure, wrong or checks.together(conf))
    given = [one for path in files(conf) for one in _given(path)]
    yield from judged(given, dict(_known()))


def files(conf: Any) -> list[Path]:
    """In the order in which they are read."""
    directories = [Path(name) for name in conf.config_dir or ()]
    return [
        *(Path(name) for name in conf.config_file or ()),
        *(path for directory in directories for path in sorted(directory.glob("*.conf"))),
    ]


def judged(given: Sequence[Given], known: Mapping[Name, cfg.Opt]) -> Iterator[Finding]:
    """``known``: with a declaration, where there is one. Groups that nobody knows may be a
    plugin's of another package."""
    groups = {group for group, _ in known}
    former = dict(_former(known))
    for one in given:
        key = (one.group, one.name.replace("-", "_"))
        if new := former.get(key):
            yield warning(f"{one} is deprecated: it is called [{new[0]}] {new[1]} now")
        elif (option := known.get(key)) and option.deprecated_for_removal:
            why = " ".join((option.deprecated_reason or "").split())
            yield warning(f"{one} is deprecated, and goes: {why}" if why else f"{one} goes")
        elif one.group in groups and key not in known and key not in _OF_FILES:
            yield warning(f"{one} is unknown, and without effect{_meant(key, known)}")
        elif one.group not in groups and (close := _alike(one.group, groups)):
            yield warning(f"{one}: there is no such group; is [{close}] meant?")


def _known() -> Iterator[tuple[Name, cfg.Opt]]:
    """All that the agent, its libraries and its senders declare."""
    declared = [*config.list_opts(), *_declared(_LIBRARIES), *_declared(_SENDERS)]
    declared.append(("vif_agent_privileged", priv_context.OPTS))
    for group, options in declared:
        yield from (((_named(group), option.dest), option) for option in options)


def _declared(spaces: Sequence[str]) -> Iterator[tuple[Any, Sequence[cfg.Opt]]]:
    for entry in entry_points(group="oslo.config.opts"):
        if entry.name in spaces:
            yield from entry.load()()


def _named(group: Any) -> str:
    """None, a name, or an OptGroup."""
    return str(getattr(group, "name", group) or "DEFAULT")


def _wrong_of_libraries(conf: Any) -> Iterator[cfg.ConfigFileValueError]:
    """They register some later, and some never."""
    for group, options in _declared(_LIBRARIES):
        conf.register_opts(options, group)
        yield from checks.wrong_of(conf, group, options)


def _former(known: Mapping[Name, cfg.Opt]) -> Iterator[tuple[Name, Name]]:
    for (group, name), option in known.items():
        for old in option.deprecated_opts:
            key = (old.group or group, (old.name or name).replace("-", "_"))
            if key not in known:
                yield key, (group, name)


def _given(path: Path) -> Iterator[Given]:
    sections: dict[str, dict[str, Any]] = {}
    cfg.ConfigParser(str(path), sections).parse()
    for group, options in sections.items():
        yield from (Given(path.name, group, name) for name in options)


def _meant(key: Name, known: Collection[Name]) -> str:
    group, name = key
    if elsewhere := sorted(other for other, known_name in known if known_name == name):
        return f"; is that of [{elsewhere[0]}] meant?"
    close = _alike(name, [known_name for other, known_name in known if other == group])
    return f"; is {close} meant?" if close else ""


def _alike(word: str, words: Collection[str]) -> str:
    return next(iter(difflib.get_close_matches(word, sorted(words), n=1, cutoff=0.8)), "")
