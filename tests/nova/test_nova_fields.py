"""No field of os-vif's objects is lost: without any one of them the agent's VIF is another.

All fields that the installed os-vif has, so that a new one fails here until it is carried.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from os_vif import objects

from tests.support.osvif_objects import build
from tests.support.osvif_specs import Spec
from vif_agent.nova import payload as made
from vif_agent.nova.payload import FORMS

pytestmark = pytest.mark.filterwarnings("ignore:Using class 'VIFPortProfileOVSRepresentor'")

#: a value of each kind of field, for each number another
VALUES: dict[str, Callable[[int], Any]] = {
    "UUIDField": lambda n: str(uuid.UUID(int=n)),
    "StringField": lambda n: f"a{n}",
    "BooleanField": lambda n: True,
    "IntegerField": lambda n: n,
    "MACAddressField": lambda n: f"fa:16:3e:00:00:{n:02x}",
    "PCIAddressField": lambda n: f"0000:{n:02x}:02.3",
    "IPAddressField": lambda n: f"192.0.2.{n}",
    "IPNetworkField": lambda n: f"198.51.{n}.0/24",
    "ListOfIPAddressField": lambda n: [f"203.0.113.{n}"],
    "VIFVHostUserModeField": lambda n: "client",
    "VIFHostDeviceDevTypeField": lambda n: "generic",
}
#: said by another field too, which comes first; nova says the same by both, and that a hybrid
#: port's own bridge is named after the port
SAID_TWICE = {
    ("DatapathOffloadRepresentor", "representor_address"),
    ("DatapathOffloadRepresentor", "representor_name"),
    ("Network", "bridge"),
    ("VIFBridge", "bridge_name"),
    ("VIFPortProfileFPOpenVSwitch", "bridge_name"),
    ("VIFPortProfileOVSRepresentor", "representor_address"),
    ("VIFPortProfileOVSRepresentor", "representor_name"),
}
#: by it the form is chosen, or it names the port itself
ALWAYS_THERE = {"plugin", "id", "port_profile"}
CLASSES: dict[str, Any] = {
    name: kind
    for module in ("vif", "network", "subnet", "route", "fixed_ip", "instance_info")
    for name, kind in vars(getattr(objects, module)).items()
    if isinstance(kind, type) and hasattr(kind, "fields")
}
FIELDS = [(name, field) for name, kind in CLASSES.items() for field in kind.fields]
EACH = [
    (plugin, name, profile)
    for plugin, forms in FORMS.items()
    for name, form in forms.items()
    for profile in form.profiles or ("",)
]


def whole(name: str, profile: str = "", without: tuple[str, str] | None = None) -> Spec:
    """An object of this class with every field set, but for one."""
    fields = {
        field: _value(name, field, profile, without)
        for field in CLASSES[name].fields
        if (name, field) != without and (profile or field != "port_profile")
    }
    return {"class": name, **fields}


def _value(name: str, field: str, profile: str, without: tuple[str, str] | None) -> Any:
    kind = CLASSES[name].fields[field]
    some = {"port_profile": profile, "datapath_offload": "DatapathOffloadRepresentor"}
    if type(kind).__name__ == "ObjectField":
        return whole(some.get(field, kind.objname), profile, without)
    if type(kind).__name__ == "ListOfObjectsField":
        return [whole(name.removesuffix("List"), profile, without)]
    return VALUES[type(kind).__name__](FIELDS.index((name, field)) + 1)


def inside(spec: Any) -> Iterator[tuple[str, str]]:
    """Each field of the object and of those in it."""
    for item in spec if isinstance(spec, list) else [spec]:
        if isinstance(item, dict):
            for field, value in item.items():
                yield from inside(value)
                if field not in {*ALWAYS_THERE, "class"}:
                    yield item["class"], field


@pytest.mark.parametrize(("plugin", "name", "profile"), EACH)
def test_vif_without_a_field_is_another(plugin: str, name: str, profile: str) -> None:
    def carried(without: tuple[str, str] | None = None) -> dict[str, Any]:
        return made.vif(build({**whole(name, profile, without), "plugin": plugin}))

    fields = {*inside(whole(name, profile))}
    assert {"network", "address"} <= {field for of, field in fields if of == name}
    assert {field for field in fields if carried(field) == carried()} <= SAID_TWICE


def test_instance_without_a_field_is_another() -> None:
    reported = made.instance(build(whole("InstanceInfo")))
    for field in CLASSES["InstanceInfo"].fields:
        assert made.instance(build(whole("InstanceInfo", "", ("InstanceInfo", field)))) != reported
