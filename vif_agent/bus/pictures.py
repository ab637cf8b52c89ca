"""What a sender's client asks for a picture of a host."""

from typing import Any


class Pictures:
    """Of VifAgentAPI, which has ``_call``."""

    _call: Any

    def get_topology(
        self,
        context: Any,
        host: str,
        *,
        port_id: str | None = None,
        network: str | None = None,
        bridge: str | None = None,
        everything: bool = False,
    ) -> dict[str, Any]:
        """``{"things", "edges", "ports", ...}``: what leads where on the host, whose it is.

        Of one port, of a network (its id, or how it begins), or of what is in a bridge. Many ports
        that are well come as one line of their network, others' things as names, but for
        ``everything``.
        """
        chosen = {"port_id": port_id, "network": network, "bridge": bridge}
        arguments = {**chosen, "everything": everything}
        return self._call(context, host, "get_topology", **arguments)  # type: ignore[no-any-return]
