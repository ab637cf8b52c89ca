"""os-vif's objects from JSON, in either environment: ``{"class": ..., field: ...}``."""

from __future__ import annotations

from typing import Any

from os_vif import objects

objects.register_all()


def build(spec: Any) -> Any:
    if isinstance(spec, list):
        return [build(item) for item in spec]
    if not isinstance(spec, dict):
        return spec
    fields = {name: build(value) for name, value in spec.items() if name != "class"}
    return _class(spec["class"])(**fields)


def _class(name: str) -> Any:
    for module in ("vif", "network", "subnet", "route", "fixed_ip", "instance_info"):
        if found := getattr(getattr(objects, module), name, None):
            return found
    raise LookupError(name)
