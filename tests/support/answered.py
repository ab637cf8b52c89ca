"""What a plugin answers for a shipped VIF."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tests.support.examples import INSTANCE
from vif_agent.plugins.base import Plugin
from vif_agent.resources import Resource
from vif_agent.vif import parse


def answered(plugin: Plugin, raw: dict[str, Any], **fields: Any) -> Sequence[Resource]:
    """With these fields of it changed; twice the same."""
    vif = dataclasses.replace(parse(INSTANCE, raw), **fields)
    answer = tuple(plugin.resources(vif))
    assert answer == tuple(plugin.resources(vif))
    return answer


def changed(resource: Resource, **fields: Any) -> Resource:
    return dataclasses.replace(resource, **fields)
