"""etc/vif-agent.conf, by oslo.config's own generator."""

from __future__ import annotations

import io
from pathlib import Path

from oslo_config import cfg, generator

SETTINGS = Path(__file__).parent.parent / "etc" / "config-generator.conf"


def text() -> str:
    conf = cfg.ConfigOpts()
    generator.register_cli_opts(conf)
    conf([f"--config-file={SETTINGS}"])
    written = io.StringIO()
    generator.generate(conf, written)
    return written.getvalue()
