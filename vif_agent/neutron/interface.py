"""The interface driver of Neutron's DHCP and L3 agents: ``interface_driver = vif_agent``.

It makes for their ports what nova makes for a guest's: a device ``tap`` and 11 characters of the
port's id, on the host, and puts it nowhere. vif-agent puts it into its bridge, and back when others
have taken it out (``[bridge] wire_taps``). Nothing here waits for that, or knows of it.
"""

from typing import Any, ClassVar

from neutron.agent.linux import interface, ip_lib
from neutron_lib import constants
from oslo_log import log

LOG = log.getLogger(__name__)


class VifAgentInterfaceDriver(interface.LinuxInterfaceDriver):  # type: ignore[misc]  # no types
    """A veth for a port: one end on the host, the other in the namespace of who serves."""

    DEV_NAME_PREFIX: ClassVar[str] = "ns-"

    def plug_new(
        self,
        network_id: str,
        port_id: str,
        device_name: str,
        mac_address: str,
        bridge: str | None = None,
        namespace: str | None = None,
        prefix: str | None = None,
        mtu: int | None = None,
        link_up: bool = True,
    ) -> None:
        """All is set before the device goes into its namespace: Neutron sets nothing of one that it
        finds there. If we are killed before, it finds none, and the whole is made anew.

        ``link_up`` is neutron-lib's; no agent of Neutron's passes it up to release 29.
        """
        tap = ip_lib.IPDevice(self._tap_name(device_name, prefix))
        _remove_leftover(tap)
        host = ip_lib.IPWrapper()
        tap, device = host.add_veth(tap.name, device_name)
        tap.disable_ipv6()
        device.link.set_address(mac_address)
        if mtu:
            _set_mtu(mtu, tap, device)
        tap.link.set_up()
        if namespace:
            host.ensure_namespace(namespace).add_device_to_namespace(device)
        if link_up:
            device.link.set_up()

    def set_mtu(
        self, device_name: str, mtu: int, namespace: str | None = None, prefix: str | None = None
    ) -> None:
        """Of both ends; vif-agent gives that on the host the network's, which is the same."""
        tap = ip_lib.IPDevice(self._tap_name(device_name, prefix))
        _set_mtu(mtu, tap, ip_lib.IPDevice(device_name, namespace=namespace))

    def unplug(
        self,
        device_name: str,
        bridge: str | None = None,
        namespace: str | None = None,
        prefix: str | None = None,
    ) -> None:
        """Either end takes the other with it; its namespace may have gone before the device."""
        _delete(ip_lib.IPDevice(device_name, namespace=namespace))
        _delete(ip_lib.IPDevice(self._tap_name(device_name, prefix)))

    def _tap_name(self, device_name: str, prefix: str | None) -> str:
        """``prefix``: that of the L3 agent's devices, ``qr-`` and the like."""
        prefix = prefix or self.DEV_NAME_PREFIX
        return str(constants.TAP_DEVICE_PREFIX + device_name.removeprefix(prefix))


def _remove_leftover(tap: Any) -> None:
    """Of one who was killed, or of a namespace that has gone while a process is still in it."""
    if tap.exists() and tap.link.link_kind == "veth":
        LOG.warning("Device %s of an earlier plug is made anew", tap.name)
        _delete(tap)


def _set_mtu(mtu: int, *devices: Any) -> None:
    for device in devices:
        device.link.set_mtu(mtu)


def _delete(device: Any) -> None:
    """As other interface drivers do it: a failure does not stop what Neutron removes besides."""
    try:
        if device.exists():
            device.link.delete()
    except (RuntimeError, OSError) as error:
        LOG.error("Device %s is not removed: %s", device.name, error)
