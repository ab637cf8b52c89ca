"""Native threads or green ones: chosen before anything is imported that asks which."""

import sys

from oslo_service import backend


def green_threads() -> None:
    """All that waits gives way to others from now on."""
    import eventlet

    eventlet.monkey_patch()


def native_threads() -> None:
    """Nobody imports eventlet, which takes 9 MB and 0.1 s of a start, and is not used then.

    oslo.messaging wants one base class of oslo.service, which takes eventlet unless it is told
    otherwise. Others (oslo.utils, futurist, ovs) import it only to see whether it has patched; so
    does oslo.privsep, but up to 3.10 it cannot do without: then it is imported, and not used.
    """
    sys.modules["eventlet"] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        import oslo_privsep.daemon  # noqa: F401
    except ImportError:
        del sys.modules["eventlet"]
    backend.init_backend(backend.BackendType.THREADING)
