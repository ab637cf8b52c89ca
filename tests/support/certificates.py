"""Keys and certificates of a scratch authority, by openssl."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from vif_agent.testing import processes

_ENVIRONMENT = {"PATH": os.environ["PATH"]}


class Authority:
    """Its own certificate is ``certificate``."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._key, self.certificate = directory / f"{name}.key", directory / f"{name}.crt"
        self._openssl("req", "-x509", *self._new(name, self._key), "-out", str(self.certificate))

    def issue(self, name: str, days: int = 2) -> tuple[Path, Path]:
        """A key and its certificate; of ``days`` below 0 one that is out of date."""
        key, certificate = (
            self._directory / f"{self._name}-{name}.{end}" for end in ("key", "crt")
        )
        request = self._directory / f"{name}.csr"
        self._openssl("req", *self._new(name, key), "-out", str(request))
        signed = ("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial")
        names = request.with_suffix(".ext")
        names.write_text(f"subjectAltName={'IP' if name[0].isdigit() else 'DNS'}:{name}\n")
        what = ("-in", request, "-out", certificate, *_valid(days), "-extfile", names, *signed)
        self._openssl("x509", "-req", *map(str, what))
        return key, certificate

    def encrypted(self, key: Path) -> Path:
        to = key.with_suffix(".enc")
        self._openssl("rsa", "-aes128", "-passout", "pass:x", "-in", str(key), "-out", str(to))
        return to

    @staticmethod
    def _new(name: str, key: Path) -> tuple[str, ...]:
        return ("-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-subj", f"/CN={name}")

    @staticmethod
    def _openssl(*words: str) -> None:
        processes.run(("openssl", *words), _ENVIRONMENT)


def _valid(days: int) -> tuple[str, ...]:
    """OpenSSL 3.5 does not sign what ends before it begins; earlier ones cannot begin then."""
    told = subprocess.run(("openssl", "x509", "-help"), capture_output=True, text=True, check=True)
    if days >= 0 or "-not_before" not in told.stdout + told.stderr:
        return ("-days", str(days))
    return ("-not_before", "20200101000000Z", "-not_after", "20200102000000Z")
