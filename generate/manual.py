"""The man pages: prose of ``*.8.in``, and what can be typed from the programs' own parsers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from oslo_config import cfg

from generate import command_line
from generate.command_line import Argument, Command
from generate.template import filled

_LISTS, _ONE = "list", "status"  # a command of each kind, for the options of their tables


def of_daemon() -> str:
    return filled("vif-agent.8", LOG="\n".join(map(_of_log, command_line.daemon())))


def of_status() -> str:
    return filled("vif-agent-status.8", LOG="\n".join(map(_of_log, command_line.daemon())))


def of_ctl() -> str:
    commands = command_line.commands()
    return filled(
        "vif-agentctl.8",
        OPTIONS="\n".join(map(_paragraph, command_line.everywhere())),
        COMMANDS="\n".join(line for command in commands for line in _command(command)),
        LISTS="\n".join(map(_paragraph, _shared(commands, _LISTS))),
        ONE="\n".join(map(_paragraph, _other_than_in_lists(commands))),
    )


def _command(command: Command) -> Iterator[str]:
    own = [argument for argument in command.arguments if not argument.shared]
    options = [argument for argument in own if argument.flags and "--help" not in argument.flags]
    usage = [f"\\fB{_roff(command.name)}\\fR"]
    usage += [f"[{_flag(option, option.flags[-1])}]" for option in options]
    usage += [_italic(argument.wanted) for argument in own if not argument.flags]
    if len(own) < len(command.arguments):
        usage.append("[\\fIOUTPUT\\fR]")
    yield f".SS {' '.join(usage)}"
    for number, paragraph in enumerate(command.words.split("\n\n")):
        yield from ([".PP"] if number else [])
        yield from _sentences(paragraph)
    yield from (_paragraph(argument) for argument in own if argument in options or _said(argument))


def _said(argument: Argument) -> bool:
    return bool(argument.words) and not argument.flags


def _shared(commands: Iterable[Command], name: str) -> list[Argument]:
    (command,) = (command for command in commands if command.name == name)
    return [argument for argument in command.arguments if argument.shared]


def _other_than_in_lists(commands: list[Command]) -> list[Argument]:
    lists = _shared(commands, _LISTS)
    return [argument for argument in _shared(commands, _ONE) if argument not in lists]


def _paragraph(argument: Argument) -> str:
    flags = ", ".join(_flag(argument, flag) for flag in argument.flags)
    text = "\n".join(_sentences(_as_sentence(argument.words)))
    return f".TP\n{flags or _italic(argument.wanted.strip('[]'))}\n{text}"


def _as_sentence(words: str) -> str:
    """--help has notes, some of them without capital and full stop."""
    if not words.partition(" ")[0].endswith(":"):
        words = words[:1].upper() + words[1:]
    return words if words.endswith((".", "?")) else f"{words}."


def _flag(argument: Argument, flag: str) -> str:
    bold = f"\\fB{_roff(flag)}\\fR"
    return f"{bold} {_italic(argument.wanted)}" if argument.wanted else bold


def _italic(words: str) -> str:
    """Brackets and bars are not part of what is to be replaced."""
    parts = re.split(r"([\[\]|])", words.strip("<>"))
    kinds = (part if part in "[]|" else f"\\fI{_roff(part)}\\fR" for part in parts if part)
    return "".join(kinds)


def _of_log(option: cfg.Opt) -> str:
    long = f"--{option.name}"
    names = [long, f"--no{option.name}"] if isinstance(option, cfg.BoolOpt) else [long]
    short = [f"-{option.short}"] if option.short else []
    wanted = "" if isinstance(option, cfg.BoolOpt) else option.metavar or option.name.upper()
    known = Argument((*short, *names), wanted, (), _without_default(option.help or ""))
    return _paragraph(known)


def _without_default(words: str) -> str:
    """argparse would fill it in: "Default: %(default)s ."."""
    return re.sub(r"Default: %\(default\)s \. ?", "", words).replace("%%", "%")


def _sentences(words: str) -> Iterator[str]:
    """One a line, as man(7) wants it; what is indented stays as it is."""
    for indented, lines in itertools.groupby(words.splitlines(), lambda line: line[:1] == " "):
        if indented:
            yield from (".PP", ".nf", *map(_roff, lines), ".fi")
            continue
        text = " ".join(lines)
        yield from (_roff(sentence) for sentence in re.split(r"(?<=[.;:?!]) +(?=\S)", text))


def _roff(words: str) -> str:
    """Text that roff takes for nothing but text."""
    text = words.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\\&" + text if text.startswith((".", "'")) else text
