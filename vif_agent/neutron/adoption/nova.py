"""nova keeps a copy of each port's binding; here it is asked to read them anew."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vif_agent.neutron.adoption.ports import Bound

#: in one request
_MOST = 100


def events(ports: Iterable[Bound]) -> list[dict[str, str]]:
    """``network-changed``, as Neutron tells it: nova-compute reads the port and keeps that."""
    return [
        {"name": "network-changed", "server_uuid": port.device_id, "tag": port.port_id}
        for port in ports
        if port.is_guests
    ]


def tell(conf: Any, given: Sequence[dict[str, str]]) -> Iterator[str]:
    """By ``[nova]`` of neutron.conf, as Neutron does. Yields what nova has not taken, in words."""
    from keystoneauth1 import exceptions, loading

    auth = loading.load_auth_from_conf_options(conf, "nova")
    session = loading.load_session_from_conf_options(conf, "nova", auth=auth)
    where = {
        "service_type": "compute",
        "region_name": conf.nova.region_name,
        "interface": conf.nova.endpoint_type,
    }
    for start in range(0, len(given), _MOST):
        some = given[start : start + _MOST]
        try:
            answer = session.post(
                "/os-server-external-events", json={"events": some}, endpoint_filter=where
            )
        except exceptions.ClientException as error:
            yield f"{len(some)} guests: {error}"
        else:
            yield from _not_taken(answer.json()["events"])


def _not_taken(answers: Iterable[dict[str, Any]]) -> Iterator[str]:
    for answer in answers:
        if answer.get("code") != 200:
            yield f"guest {answer['server_uuid']}: nova answers {answer.get('code')}"
