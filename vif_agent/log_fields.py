"""What a line of the log is about, as fields of their own: in the journal and in JSON.

By the names that OpenStack's services use, so oslo.log also puts request and instance where it puts
theirs in a line of text.
"""

from collections.abc import Mapping
from typing import Any

NAMES = ("port_id", "instance_uuid", "request_id")


def about(
    port_id: str | None = None, instance_uuid: str | None = None, request_id: str | None = None
) -> Mapping[str, Any]:
    """For ``extra`` of a call to a logger; what is empty is no field."""
    values = (port_id, instance_uuid, request_id)
    fields = {name: value for name, value in zip(NAMES, values, strict=True) if value}
    # as oslo.log's own KeywordArgumentAdapter does; the request's id is the global one, if any
    return {**fields, "extra_keys": sorted(fields), "global_request_id": "-"}
