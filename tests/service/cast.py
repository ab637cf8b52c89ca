"""In a machine: ``cast.py plug_vif|unplug_vif FILE SECONDS``, as README's first cast."""

import json
import socket
import sys
from pathlib import Path

from oslo_config import cfg

from vif_agent.bus.api import VifAgentAPI

method, file, seconds = sys.argv[1:]
cfg.CONF(["--config-file", "/etc/vif-agent/vif-agent.conf"])
cast = getattr(VifAgentAPI(cfg.CONF), method)
instance = {"uuid": "0b2a3f6e-5a7c-4c7e-9d0c-1f6f0c8d3b5a"}
vif = json.loads(Path(file).read_text())
wait = float(seconds) or None
print(json.dumps(cast({}, socket.gethostname(), instance, vif, wait=wait) or {}))
