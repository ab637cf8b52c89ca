"""Why a command could not be done: one line for the operator."""


class Failed(Exception):
    pass


class Unreachable(Failed):
    """Neither yes nor no: the bus is away, or the agent is silent. This host may still answer."""
