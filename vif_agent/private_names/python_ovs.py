"""What is used of python-ovs that it does not promise.

Its stream over TLS waits for the wrong thing, tries the handshake again at each read, and turns
into an errno what TLS says of a certificate; what it does beneath these has names of its own alone.
"""

from typing import Any

import ovs.stream


class TlsStream(ovs.stream.SSLStream):  # type: ignore[misc]
    """What is beneath; errors of TLS are raised."""

    @classmethod
    def _open(cls, suffix: str, dscp: int) -> tuple[int, Any]:
        return cls.opened(suffix, dscp)

    @classmethod
    def opened(cls, suffix: str, dscp: int) -> tuple[int, Any]:
        """An errno and the socket."""
        error, sock = ovs.stream.SSLStream._open(suffix, dscp)
        return error, sock

    def read(self, count: int) -> tuple[int, Any]:
        """An errno and what was read."""
        error, data = self._recv(count)
        return error, data

    def write(self, data: Any) -> int:
        """How much was written, or an errno below 0."""
        return int(self._send(data))
