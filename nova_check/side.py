"""nova-compute's half, run by the python of .venv-nova: its libvirt VIF driver and its own objects.

Reads one JSON request a line, `{"op": ..., ...}`, and answers with `{"result": ...}` or with
`{"error": [class, text]}`. Privileged calls of nova and os-vif run in this process, which is root.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import sys
import warnings
from typing import Any

_OBJECTS = "tests.support.osvif_objects"  # it needs os-vif


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config-file", required=True)
    parser.add_argument("--log-file", required=True)
    return parser.parse_args()


def start(args: argparse.Namespace) -> None:
    """What nova-compute does before its first plug."""
    files = ["nova-compute", "--config-file", args.config_file, "--log-file", args.log_file]
    importlib.import_module("nova.config").parse_args(files, configure_db=False, init_rpc=False)
    importlib.import_module("oslo_log.log").setup(importlib.import_module("nova.conf").CONF, "nova")
    importlib.import_module("nova.objects").register_all()
    importlib.import_module("os_vif").initialize()
    importlib.import_module("nova.privsep").sys_admin_pctxt.set_client_mode(False)
    importlib.import_module("vif_plug_ovs.privsep").vif_plug.set_client_mode(False)


class Side:
    def __init__(self) -> None:
        from nova_check import guests  # it needs nova's objects, which start() has registered

        self._objects: Any = importlib.import_module("nova.objects")
        self._model: Any = importlib.import_module("nova.network.model")
        self._driver = importlib.import_module("nova.virt.libvirt.vif").LibvirtGenericVIFDriver()
        self._context = importlib.import_module("nova.context").get_admin_context()
        self._neutron, self._guests = guests, guests.Guests(self._context, self._driver)

    def versions(self) -> list[str]:
        names = ("nova", "os-vif", "ovsdbapp", "oslo.messaging")
        return [f"{name} {importlib.metadata.version(name)}" for name in names]

    def plug(self, vif: dict[str, Any], owner: dict[str, Any]) -> None:
        self._driver.plug(self._instance(owner), self._model.VIF.hydrate(vif))

    def unplug(self, vif: dict[str, Any], owner: dict[str, Any]) -> None:
        self._driver.unplug(self._instance(owner), self._model.VIF.hydrate(vif))

    def bind(self, port_id: str, host: str, owner: dict[str, Any]) -> None:
        self._neutron.bind(self._context, port_id, host, self._instance(owner))

    def vif(self, port_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._neutron.vif_of(self._context, port_id)
        return found

    def domain(self, vif: dict[str, Any], owner: dict[str, Any], virt_type: str) -> str:
        """The interface in the guest's domain XML."""
        instance = self._instance(owner)
        config = self._driver.get_config(
            instance, self._model.VIF.hydrate(vif), instance.image_meta, instance.flavor, virt_type
        )
        xml: str = config.to_xml()
        return xml

    def domain_of(self, osvif: dict[str, Any], owner: dict[str, Any], virt_type: str) -> str:
        """The same for an object of os-vif's, as it is written in osvif_specs."""
        instance, build = self._instance(owner), importlib.import_module(_OBJECTS).build
        config = self._driver._get_config_os_vif(
            instance, build(osvif), instance.image_meta, instance.flavor, virt_type, "normal"
        )
        xml: str = config.to_xml()
        return xml

    def boot(self, vif: dict[str, Any], owner: dict[str, Any]) -> None:
        self._guests.boot(self._instance(owner), self._model.VIF.hydrate(vif))

    def hear(self, body: dict[str, Any], owner: dict[str, Any]) -> None:
        self._guests.hear(self._instance(owner), body)

    def booted(self, timeout: float) -> str:
        return self._guests.booted(timeout)

    def _instance(self, owner: dict[str, Any]) -> Any:
        """As far as the driver looks; `owner` tells id, uuid, project, CPUs and extra specs."""
        flavor = self._objects.Flavor(
            name="m1", vcpus=owner["vcpus"], extra_specs=owner["extra_specs"]
        )
        return self._objects.Instance(
            id=owner["id"],
            uuid=owner["uuid"],
            project_id=owner["project_id"],
            display_name="guest",
            image_ref="",
            system_metadata={},
            flavor=flavor,
            vm_state="building",
            task_state="spawning",
        )


def answer(side: Side, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": getattr(side, request.pop("op"))(**request)}
    except Exception as error:
        return {"error": [type(error).__name__, str(error)]}


def main() -> None:
    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    start(arguments())
    side = Side()
    for line in sys.stdin:
        print(json.dumps(answer(side, json.loads(line))), file=out)


if __name__ == "__main__":
    main()
