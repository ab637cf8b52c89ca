"""What beside files belongs to the host: the account, systemd's and others' knowledge of the files,
the rights to OVSDB's socket."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from vif_agent.cmd.setup import place
from vif_agent.cmd.setup.place import ACCOUNT, OVSDB, ROOT, STATE, UNIT
from vif_agent.cmd.setup.steps import Lay, Prune, Run, Step, Take, run
from vif_agent.cmd.setup.things import CONFIGURATION, Thing

SAMPLE = CONFIGURATION / "vif-agent.conf"
_OVSDB_DROP_IN = "ovsdb-server.service.d"
_OF_OVS = tuple(Path(room) / "openvswitch" for room in ("/etc", "/var/lib", "/var/log"))


def is_account(path: Path) -> bool:
    """Is it what systemd-sysusers makes the account from?"""
    return path.parent.name == "sysusers.d"


def account(things: Sequence[Thing]) -> Iterator[Run]:
    """Made where it is missing."""
    if not place.account_exists():
        for thing in things:
            if is_account(thing.path):
                yield run("systemd-sysusers", thing.path)


def reread(steps: Sequence[Step]) -> Iterator[Run]:
    """By each program whose files these steps change. udev looks itself."""
    paths = [step.path for step in steps if isinstance(step, Lay | Take)]
    rooms = {part for path in paths for part in path.parts[:-1]}
    if place.runs_systemd() and any("systemd/system/" in str(path) for path in paths):
        yield run("systemctl", "daemon-reload")
    networks = any("systemd/network/" in str(path) for path in paths)
    if networks and place.is_active("systemd-networkd.service"):
        yield run("networkctl", "reload")
    if "NetworkManager" in rooms and place.is_active("NetworkManager.service"):
        yield run("systemctl", "reload", "NetworkManager.service")


def socket_to(group: str, paths: Sequence[Path], now: str) -> Iterator[Run]:
    """The drop-in of ovsdb-server counts from its next start. Restarting Open vSwitch for it would
    cost guests their traffic, so the socket that is there is changed as well; but not one that
    has another's group, by which others connect. ``now``: its group, see ``place``."""
    has_drop_in = any(_OVSDB_DROP_IN in path.parts for path in paths)
    if has_drop_in and now == (ROOT if group == ACCOUNT else ACCOUNT):
        yield run("chgrp", group, OVSDB)
        yield run("chmod", "0770" if group == ACCOUNT else "0750", OVSDB)


def socket_of_others(group: str) -> str:
    """What the operator is to do about a socket of this group; empty if nothing."""
    if group in ("", ROOT, ACCOUNT):
        return ""
    return (
        f"{OVSDB} has the group {group}, which the agent needs: "
        f"SupplementaryGroups= in a drop-in of {UNIT}"
    )


def stop() -> Iterator[Run]:
    """Before its unit goes."""
    if place.is_active(UNIT) or place.is_enabled(UNIT):
        yield run("systemctl", "disable", "--now", UNIT)
    if place.is_failed(UNIT):
        yield run("systemctl", "reset-failed", UNIT)


def purge() -> Iterator[Step]:
    """An operator's other files beside the configuration stay."""
    if SAMPLE.exists():
        yield Take(SAMPLE)
    if CONFIGURATION.exists():
        yield Prune(frozenset({CONFIGURATION}))
    if STATE.exists():
        yield Take(STATE)
    if place.account_exists():
        # What Open vSwitch made with our group shall not be the next account's with its number.
        if rooms := [path for path in _OF_OVS if path.exists()]:
            to_root = ("-exec", "chgrp", "-h", ROOT, "{}", "+")
            yield run("find", *rooms, "-group", ACCOUNT, *to_root)
        yield run("userdel", ACCOUNT)
