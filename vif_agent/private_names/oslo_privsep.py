"""What is used of oslo.privsep that its documentation does not promise.

It starts a helper that has died anew, by sudo, which we do not have; and whoever waits for an
answer of one that was killed waits for ever, if the channel was reset.
"""

from typing import Any


def runs_here(context: Any) -> bool:
    """Are its entry points plain functions of this process, with no helper?"""
    return not context.client_mode


def lives(context: Any) -> bool:
    """As far as this process has heard of the helper."""
    channel = context.channel
    return channel is not None and bool(channel.running)


def wait_for_end(context: Any) -> None:
    """Of the channel to the helper."""
    context.channel.reader_thread.join()


def fail_calls(context: Any, error: OSError) -> None:
    """Those that wait for an answer, and all that come.

    The channel's reader does so when the channel ends well. When it is reset (the helper was killed
    with a call unread) the reader just dies.
    """
    channel = context.channel
    with channel.lock:
        channel.running = False
        for waiting in channel.outstanding_msgs.values():
            waiting.set_exception(error)
