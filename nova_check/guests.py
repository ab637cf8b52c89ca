"""How nova's own driver brings a guest's ports up: it plugs, and waits for what Neutron tells.

Run by the python of .venv-nova. Where the driver would turn to libvirt nothing happens.
"""

from __future__ import annotations

import importlib
import threading
from types import SimpleNamespace
from typing import Any

_MANAGER: Any = importlib.import_module("nova.compute.manager")
_DRIVER: Any = importlib.import_module("nova.virt.libvirt.driver").LibvirtDriver
_EVENT: Any = importlib.import_module("nova.objects").InstanceExternalEvent
_NEUTRON: Any = importlib.import_module("nova.network.neutron")
_SCHEMAS: Any = importlib.import_module("nova.api.openstack.compute.schemas.server_external_events")
_VALIDATE: Any = importlib.import_module("nova.api.validation.validators")._SchemaValidator


class Guests:
    """One at a time."""

    def __init__(self, context: Any, vif_driver: Any) -> None:
        self._context = context
        events = _MANAGER.InstanceEvents()
        self._compute = SimpleNamespace(instance_events=events, reportclient=None)
        self._driver = _without_libvirt(_MANAGER.ComputeVirtAPI(self._compute), vif_driver)
        self._boot = threading.Thread()
        self._raised = ""

    def boot(self, instance: Any, vif: Any) -> None:
        """Begins; ``booted`` tells how it has ended."""
        self._boot = threading.Thread(target=self._start, args=(instance, vif), daemon=True)
        self._boot.start()

    def _start(self, instance: Any, vif: Any) -> None:
        self._raised = ""
        try:
            self._driver._create_guest_with_network(self._context, "", instance, [vif], None)
        except Exception as error:
            self._raised = f"{type(error).__name__}: {error}"

    def hear(self, instance: Any, body: dict[str, Any]) -> None:
        """A request to os-server-external-events, as nova's API and nova-compute take it."""
        _VALIDATE(_SCHEMAS.create).validate(body)
        for said in body["events"]:
            event = _EVENT(
                instance_uuid=said["server_uuid"],
                name=said["name"],
                status=said.get("status", "completed"),
                tag=said.get("tag"),
            )
            _MANAGER.ComputeManager._process_instance_event(self._compute, instance, event)

    def booted(self, timeout: float) -> str:
        """What was raised, `Class: text`, or "" for a guest that runs."""
        self._boot.join(timeout)
        return "TimeoutError: nova still waits" if self._boot.is_alive() else self._raised


def _without_libvirt(virtapi: Any, vif_driver: Any) -> Any:
    driver = object.__new__(_DRIVER)
    driver.virtapi, driver.vif_driver = virtapi, vif_driver
    driver._host = SimpleNamespace(delete_secret=lambda *_: None)
    guest = SimpleNamespace(resume=lambda: None, is_active=lambda: False)
    driver._create_guest = lambda *_, **__: guest
    driver._cleanup = lambda _context, instance, info, *_, **__: driver._unplug_vifs(
        instance, info, True
    )
    return driver


def vif_of(context: Any, port_id: str) -> Any:
    """What nova makes of a port, by the Neutron of its own settings."""
    client = _NEUTRON.get_client(context, admin=True)
    port = client.show_port(port_id)["port"]
    networks = client.list_networks(id=port["network_id"])["networks"]
    return _NEUTRON.API()._build_vif_model(context, client, port, networks, [])


def bind(context: Any, port_id: str, host: str, instance: Any) -> None:
    """As nova binds a port that is there already."""
    owner = {"device_id": instance.uuid, "device_owner": "compute:nova"}
    client = _NEUTRON.get_client(context, admin=True)
    client.update_port(port_id, {"port": {**owner, "binding:host_id": host}})
