"""Which device carries which IP addresses, as the kernel tells. No I/O."""

from collections.abc import Iterable

from vif_agent.host.netlink import addresses
from vif_agent.host.netlink.addresses import Address


class Carried:
    """By the index of a device, all its addresses."""

    def __init__(self) -> None:
        self._by_index: dict[int, dict[tuple[str, int], Address]] = {}

    def note(self, index: int, body: bytes, there: bool) -> None:
        """What RTM_NEWADDR or RTM_DELADDR tells."""
        address = addresses.parsed(body)
        which = (address.text, body[1])
        if there:
            self._by_index.setdefault(index, {})[which] = address
        else:
            self._by_index.get(index, {}).pop(which, None)

    def forget(self, index: int) -> None:
        """The device has gone."""
        self._by_index.pop(index, None)

    def keep_ipv6(self, settings: Iterable[Address]) -> None:
        """All that there are."""
        for carried in self._by_index.values():
            for which in [which for which, address in carried.items() if address.is_ipv6]:
                del carried[which]
        for address in settings:
            self._by_index.setdefault(address.index, {})[address.text, address.body[1]] = address

    def of(self, index: int) -> list[str]:
        """Those that may move to another device."""
        return [a.text for a in self._by_index.get(index, {}).values() if not a.stays]

    def bearer(self, text: str) -> int:
        """The index of the device that carries the address; 0 for none."""
        for index, carried in self._by_index.items():
            if any(address.text == text for address in carried.values()):
                return index
        return 0
