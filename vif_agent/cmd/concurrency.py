"""Native threads or green ones: chosen before anything is imported that asks which."""

import importlib
import sys
from types import ModuleType
from typing import Any

from oslo_service import backend


def green_threads() -> None:
    """All that waits gives way to others from now on."""
    import eventlet

    eventlet.monkey_patch()


def native_threads() -> None:
    """Nobody loads eventlet, which takes 9 MB and 0.1 s of a start, and is not used then.

    oslo.messaging wants one base class of oslo.service, which takes eventlet unless it is told
    otherwise. Others (oslo.utils, futurist, ovs) import it only to see whether it has patched; so
    does oslo.privsep, but up to 3.10 it cannot do without, and gets one that says no.
    """
    modules: dict[str, Any] = sys.modules
    modules["eventlet"] = None  # as if it were not installed
    try:
        importlib.import_module("oslo_privsep.daemon")
    except ImportError:
        modules["eventlet"] = _that_has_not_patched()
        importlib.import_module("oslo_privsep.daemon")
        modules["eventlet"] = None
    backend.init_backend(backend.BackendType.THREADING)


def _that_has_not_patched() -> ModuleType:
    """All that oslo.privsep asks of eventlet, where that is not in use."""
    stand_in: Any = ModuleType("eventlet")
    stand_in.patcher = ModuleType("eventlet.patcher")
    stand_in.patcher.is_monkey_patched = lambda _module: False
    return stand_in  # type: ignore[no-any-return]
