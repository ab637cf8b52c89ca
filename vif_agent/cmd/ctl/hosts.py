"""What ``--host`` says: one host, several, or all that there are."""

ALL = "all"


def are_several(given: str | None) -> bool:
    """Then each answer is a row, and not the whole of it."""
    return given == ALL or "," in (given or "")


def split(given: str) -> tuple[list[str], bool]:
    """Those that are named, each once, in their order; and whether all others are meant, too."""
    names = list(dict.fromkeys(name for each in given.split(",") if (name := each.strip())))
    return [name for name in names if name != ALL], ALL in names
