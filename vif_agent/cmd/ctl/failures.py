"""Why a command could not be done: one line for the operator."""


class Failed(Exception):
    """The message is for the operator; the command ends with status 1."""


class Unreachable(Failed):
    """Neither yes nor no: the bus is away, or the agent is silent. This host may still answer."""
