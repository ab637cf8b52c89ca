"""What is used of Python itself that begins with an underscore, though its documentation has it."""

import sys
from collections.abc import Mapping
from types import FrameType


def frames() -> Mapping[int, FrameType]:
    """Where each native thread is now, by its number."""
    return sys._current_frames()
