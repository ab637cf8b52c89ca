"""Neutron's REST API, as an administrator uses it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

Json = dict[str, Any]


class Refused(Exception):
    """Neutron's answer was no: ``status`` is HTTP's."""

    def __init__(self, asked: str, status: int, body: str) -> None:
        super().__init__(f"{asked}: {status} {body}")
        self.status = status


class NeutronApi:
    """``create("port", network_id=…)``, ``show("port", id)``, ``list("ports", host=…)`` and so on;
    what has no method of its own goes by ``request``."""

    def __init__(self, url: str) -> None:
        self.url = url

    def request(self, method: str, path: str, body: Json | None = None, timeout: float = 90) -> Any:
        """``path`` follows /v2.0. None for an answer without a body; raises Refused, OSError."""
        request = urllib.request.Request(
            f"{self.url}/v2.0{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode(errors="replace")
            raise Refused(f"{method} {path}", error.code, said) from None
        return json.loads(text) if text else None

    def create(self, kind: str, **fields: Any) -> Json:
        """``kind`` as in "port": what was made."""
        return self._one(kind, self.request("POST", f"/{_path(kind)}", {kind: fields}))

    def create_many(self, kind: str, some: list[Json]) -> list[Json]:
        """In one request."""
        made: list[Json] = self.request("POST", f"/{_path(kind)}", {f"{kind}s": some})[f"{kind}s"]
        return made

    def show(self, kind: str, ident: str) -> Json:
        """Raises Refused with status 404 where there is none."""
        return self._one(kind, self.request("GET", f"/{_path(kind)}/{ident}"))

    def update(self, kind: str, ident: str, fields: Json) -> Json:
        """``fields``: {"binding:host_id": …}."""
        return self._one(kind, self.request("PUT", f"/{_path(kind)}/{ident}", {kind: fields}))

    def delete(self, kind: str, ident: str) -> None:
        """Raises Refused with status 404 where there is none."""
        self.request("DELETE", f"/{_path(kind)}/{ident}")

    def list(self, kind: str, **filters: str) -> list[Json]:
        """``kind`` as in "port"."""
        found: list[Json] = self.request("GET", f"/{_path(kind)}?{urlencode(filters)}")[f"{kind}s"]
        return found

    def bind(self, port_id: str, host: str) -> Json:
        """A second binding, as nova makes one before a live migration."""
        body = {"binding": {"host": host}}
        binding: Json = self.request("POST", f"/ports/{port_id}/bindings", body)["binding"]
        return binding

    def bindings(self, port_id: str) -> dict[str, Json]:
        """By host."""
        found = self.request("GET", f"/ports/{port_id}/bindings")["bindings"]
        return {binding["host"]: binding for binding in found}

    def activate(self, port_id: str, host: str) -> None:
        """The guest is there now."""
        self.request("PUT", f"/ports/{port_id}/bindings/{host}/activate")

    def unbind(self, port_id: str, host: str) -> None:
        """Take a binding back, as nova does when a live migration is aborted."""
        self.request("DELETE", f"/ports/{port_id}/bindings/{host}")

    def wait(
        self, kind: str, ident: str, reached: Callable[[Json], object], timeout: float = 60
    ) -> Json:
        """The thing, as soon as it is so; while Neutron cannot answer it is not."""
        deadline, last = time.monotonic() + timeout, "nothing"
        while time.monotonic() < deadline:
            try:
                if reached(found := self.show(kind, ident)):
                    return found
                last = str(found)
            except (OSError, Refused) as error:
                last = repr(error)
            time.sleep(0.1)
        raise TimeoutError(f"{kind} {ident} is not so in {timeout} s: {last}")

    @staticmethod
    def _one(kind: str, answer: Json) -> Json:
        one: Json = answer[kind]
        return one


def _path(kind: str) -> str:
    return kind.replace("_", "-") + "s"
