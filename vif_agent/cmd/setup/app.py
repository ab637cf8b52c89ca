"""The command line. Exit status 0: it is as asked; 1: it could not be done; 2: not understood."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from vif_agent import __version__
from vif_agent.cmd.setup import brought, host, plan, refusals
from vif_agent.cmd.setup.place import UNIT, Place, is_active, socket_group
from vif_agent.cmd.setup.plan import Plan

_FAILED = 1


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Ends the program."""
    options = _parser().parse_args(argv)
    os.umask(0o022)
    try:
        sys.exit(options.run(options))
    except (OSError, subprocess.CalledProcessError) as error:
        _complain(f"{error}; what was begun is finished when this is run again")
        sys.exit(_FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vif-agent-setup",
        description="Puts the unit, the account, the configuration and all else that this virtual "
        "environment has of vif-agent in place on the host, and takes it away. What others have "
        "made or changed is left as it is, and named.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    install = commands.add_parser("install", help="put in place, or bring up to date")
    install.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="for a package: lay the files below DIR, and do nothing else",
    )
    install.set_defaults(run=_install)
    remove = commands.add_parser("remove", help="take away; configuration and state are kept")
    remove.add_argument("--purge", action="store_true", help="these and the account as well")
    remove.set_defaults(run=_remove, root=None)
    for command in (install, remove):
        command.add_argument(
            "--prefix",
            type=Path,
            default="/usr/local",
            choices=[Path("/usr/local"), Path("/usr")],
            help="where systemd, man and bash look; /usr is for packages. Default: %(default)s",
        )
        command.add_argument("--dry-run", action="store_true", help="only say what would be done")
    return parser


def _place(options: argparse.Namespace) -> Place:
    root = options.root.absolute() if options.root else None
    return Place(Path(sys.prefix), options.prefix, root)


def _install(options: argparse.Namespace) -> int:
    place = _place(options)
    things = brought.things(place)
    if refused := refusals.of_install(place, things):
        return _refuse(refused)
    found = (plan.into_package if place.root else plan.install)(place, things)
    if found.foreign:
        return _refuse(
            [f"{path} is not of vif-agent-setup: take it away" for path in found.foreign]
        )
    _carry_out(found, options.dry_run)
    if place.root is None and (todo := host.socket_of_others(socket_group())):
        _complain(todo)
    if place.root is None and not options.dry_run:
        print(f"next: systemctl {'restart' if is_active(UNIT) else 'enable --now'} vif-agent")
    return 0


def _remove(options: argparse.Namespace) -> int:
    place = _place(options)
    if refused := refusals.of_remove(place, options.purge):
        return _refuse(refused)
    _carry_out(plan.remove(place, options.purge), options.dry_run)
    return 0


def _carry_out(found: Plan, dry_run: bool) -> None:
    for path in found.stay:
        _complain(f"{path} has been changed by others: it stays as it is")
    if not any(map(str, found.steps)):
        print("nothing to do")
    for step in found.steps:
        if text := str(step):
            print(f"would {text}" if dry_run else text, flush=True)
        if not dry_run:
            step.do()


def _refuse(reasons: Sequence[str]) -> int:
    for reason in reasons:
        _complain(reason)
    return _FAILED


def _complain(text: str) -> None:
    print(f"vif-agent-setup: {text}", file=sys.stderr)


if __name__ == "__main__":
    main()
