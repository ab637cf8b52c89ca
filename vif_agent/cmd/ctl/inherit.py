"""``inherit``: take over what Neutron's linux bridge agent has left on this host."""

import argparse
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

from vif_agent.cmd.ctl import left_behind
from vif_agent.cmd.ctl.app import Asking
from vif_agent.cmd.ctl.failures import Failed
from vif_agent.cmd.ctl.left_behind import Facts, Legacy

_SAVES = ("iptables-save", "ip6tables-save")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # a root shell by `su` need not have sbin


class Inherit(Asking):
    """Take over what Neutron's linux bridge agent has left on this host, once its ports are ours.

    The commands are shown; with --apply they are run.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds --apply and --firewall."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--apply", action="store_true", help="run the commands")
        parser.add_argument(
            "--firewall",
            action="store_true",
            help="its rules of iptables and ebtables, too: until now they go on as they were when "
            "it stopped; afterwards no security group of this host is enforced",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """1 when something stays that needs the operator."""
        facts = _facts()
        left = [left_behind.tunnels(facts, _by_peers(self.source.conf))]
        if parsed_args.firewall:
            left.append(left_behind.firewall(facts))
        for line in _done(left, parsed_args.apply):
            self.say(line)
        kept = [line for legacy in left for line in legacy.kept]
        for line in kept:
            self.say(f"# stays: {line}")
        return int(bool(kept))


def _by_peers(conf: Any) -> bool:
    """Whether the agent makes tunnels as l2population did."""
    told = "vxlan_peers" in conf.neutron and conf.neutron.vxlan_peers
    return bool(told or conf.network.vxlan_peers)


def _done(left: list[Legacy], apply: bool) -> Iterator[str]:
    commands = [command for legacy in left for command in legacy.commands]
    for command in commands:
        if apply:
            _run("sh", "-c", command)
        yield command
    yield f"# {len(commands)} commands{'' if apply else ', none is run: see --apply'}"


def _facts() -> Facts:
    return Facts(
        links=_json("ip", "-j", "-d", "link", "show", "type", "vxlan"),
        entries=_json("bridge", "-j", "fdb", "show"),
        bridge_rules=_if_there("ebtables", "-t", "nat", "-L"),
        rules={save: _if_there(save) for save in _SAVES},
        sets=_if_there("ipset", "list", "-n").split(),
    )


def _json(*argv: str) -> Any:
    return json.loads(_run(*argv) or "[]")


def _if_there(*argv: str) -> str:
    return _run(*argv) if shutil.which(argv[0], path=_PATH) else ""


def _run(*argv: str) -> str:
    env = {**os.environ, "PATH": _PATH}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout
