"""The agent that counts nothing and keeps no history, which no option makes of it: for `seen`."""

from __future__ import annotations

import importlib

from vif_agent.cmd import agent

#: what is called for that alone
_SEEN: dict[str, dict[str, tuple[str, ...]]] = {
    "vif_agent.tally": {"Tally": ("add",), "Durations": ("observe",)},
    "vif_agent.ports.history": {"History": ("add",)},
    "vif_agent.reconcile.chronicle": {"": ("worked", "rolled_back", "finished")},
}


def blind() -> None:
    for module, places in _SEEN.items():
        there = importlib.import_module(module)
        for place, names in places.items():
            for name in names:
                owner = getattr(there, place) if place else there
                getattr(owner, name)  # it is still called so
                setattr(owner, name, _nothing)


def _nothing(*_: object, **__: object) -> None:
    pass


if __name__ == "__main__":
    blind()
    agent.main()
