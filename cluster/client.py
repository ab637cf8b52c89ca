"""What agent and sender of a host have in common: their configuration, and the files they write."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from pathlib import Path
from typing import Any

from oslo_config import cfg

from vif_agent import config
from vif_agent.bus import transport


@dataclasses.dataclass(frozen=True)
class Client:
    """Of one hypervisor. ``kind``: the options of its queues, ``authority`` who has signed."""

    host: str
    url: str
    authority: str
    directory: str
    kind: dict[str, str]

    @property
    def store(self) -> Path:
        return Path(self.directory, "store.sqlite")

    @property
    def taken(self) -> Path:
        """By the agent: a line for each cast, with the time."""
        return Path(self.directory, "taken")

    def sent(self, name: str) -> Path:
        """By a sender: a line for each cast, with the times before and after and how it went."""
        return Path(self.directory, f"sent-{name}")

    def written(self) -> Path:
        """This, to be read by the processes."""
        file = Path(self.directory, "client.json")
        file.write_text(json.dumps(dataclasses.asdict(self)))
        return file


def read(file: str) -> Client:
    """As it was ``written``."""
    return Client(**json.loads(Path(file).read_text()))


def configured(client: Client) -> Any:
    """oslo.config's own CONF; the log goes to stderr."""
    file = Path(client.directory, "vif-agent.conf")
    groups = {
        "DEFAULT": {"host": client.host, "transport_url": client.url},
        "oslo_messaging_rabbit": {
            "ssl": "true",
            "ssl_ca_file": client.authority,
            "heartbeat_timeout_threshold": "20",
            **client.kind,
        },
    }
    file.write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in options.items())
            for group, options in groups.items()
        )
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format=_FORMAT)
    config.register(cfg.CONF)
    transport.set_defaults(cfg.CONF)
    cfg.CONF(["--config-file", str(file)], project="vif-agent")
    return cfg.CONF


_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
