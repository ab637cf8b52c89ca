"""``topology``."""

import argparse
import json
import os
import subprocess
from collections.abc import Iterable
from typing import IO, Any

from vif_agent.cmd.ctl.app import Asking
from vif_agent.cmd.ctl.failures import Failed
from vif_agent.cmd.ctl.ports import find
from vif_agent.topology import dot, mermaid, text
from vif_agent.topology.boxes import draw
from vif_agent.topology.graph import Graph

_FORMATS = ("text", "json", "dot", "mermaid", "svg")
_SVG_SECONDS = 60
_NO_DOT = "-f svg: the program dot is not here (Debian's package graphviz); -f dot needs none"


class Topology(Asking):
    """Draw what leads where on the host: ways out, bridges, ports, guests; whose, and how it is.

    Ports that are well come as one line of their network when there are many, and what is not ours
    and leads to nothing of ours as a name. --all draws everything.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds what to draw, and how."""
        parser = super().get_parser(prog_name)
        part = parser.add_mutually_exclusive_group()
        part.add_argument(
            "--port", metavar="PORT", help="this port's things and their way out of the host"
        )
        part.add_argument(
            "--network", metavar="NETWORK", help="of a network: its id, or how that begins"
        )
        part.add_argument("--bridge", metavar="NAME", help="what is in this bridge")
        parser.add_argument("--all", action="store_true", help="fold and leave out nothing")
        parser.add_argument(
            "-f", "--format", choices=_FORMATS, default="text", help="svg: by Graphviz' dot"
        )
        parser.add_argument(
            "--plain", action="store_true", help="text in ASCII, words in place of signs, no colour"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Status 0."""
        chosen = {"network": parsed_args.network, "bridge": parsed_args.bridge}
        if parsed_args.port:
            chosen["port_id"] = find(self.source, parsed_args.port)["port_id"]
        answer = self.source.ask("get_topology", **chosen, everything=parsed_args.all)
        if parsed_args.format == "json":
            print(json.dumps(answer, indent=2), file=self.app.stdout)
            return 0
        for line in self._drawn(Graph.from_dict(answer), parsed_args):
            print(line, file=self.app.stdout)
        return 0

    def _drawn(self, picture: Graph, args: argparse.Namespace) -> Iterable[str]:
        """Each format makes harmless what others have named."""
        if args.format == "text":
            return text.lines(picture, _style(args.plain, self.app.stdout))
        if args.format == "mermaid":
            return mermaid.lines(draw(picture))
        source = dot.lines(draw(picture))
        return source if args.format == "dot" else [_svg("\n".join(source))]


def _style(plain: bool, stdout: IO[Any]) -> text.Style:
    """Signs where they can be written, colours only on a terminal (no-color.org)."""
    utf8 = (getattr(stdout, "encoding", "") or "").lower().replace("-", "") == "utf8"
    if plain or not utf8:
        return text.PLAIN
    return text.Style(coloured=stdout.isatty() and not os.environ.get("NO_COLOR"))


def _svg(source: str) -> str:
    """Of a picture in dot's language."""
    try:
        done = subprocess.run(
            ["dot", "-Tsvg"],
            input=source,
            capture_output=True,
            text=True,
            timeout=_SVG_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise Failed(_NO_DOT) from None
    except subprocess.TimeoutExpired:
        raise Failed(f"-f svg: dot takes more than {_SVG_SECONDS} s; choose a part") from None
    if done.returncode:
        raise Failed(f"-f svg: dot: {done.stderr.strip() or done.returncode}")
    return done.stdout
