"""What is used of oslo.config that its documentation does not promise.

``mutate_config_files`` takes the new values before it has looked at them, and has no way back.
"""

from typing import Any


def values(conf: Any) -> object:
    """Those that were read from the files last, for ``put_back``."""
    return conf._mutable_ns


def put_back(conf: Any, values: object) -> None:
    """As if what was read since had never been."""
    conf._mutable_ns = values
    conf._ConfigOpts__cache.clear()


def is_parsed(conf: Any) -> bool:
    """Has it been called with a command line yet? oslo.config parses it only once."""
    return conf._args is not None
