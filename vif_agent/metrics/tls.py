"""HTTPS for who reads metrics: files that are renewed while the agent runs."""

import ssl
from typing import Any, NoReturn

from vif_agent.errors import NotConfigured

_FILES = ("ssl_cert_file", "ssl_key_file", "ssl_ca_cert_file")


class Tls:
    """``files``: certificate, key, and who must have signed the clients' (empty: none need one)."""

    def __init__(self, certificate: str, key: str, authority: str) -> None:
        self._certificate = certificate
        self._key = key
        self._authority = authority

    @classmethod
    def of(cls, options: Any) -> "Tls | None":
        """As the group [metrics] says; None for plain HTTP. NotConfigured for what cannot be."""
        files = {name: options[name] or "" for name in _FILES}
        if not any(files.values()):
            return None
        if not (files["ssl_cert_file"] and files["ssl_key_file"]):
            raise NotConfigured("[metrics] HTTPS needs both ssl_cert_file and ssl_key_file")
        for name, file in files.items():
            try:
                if file:
                    open(file, "rb").close()
            except OSError as error:
                raise NotConfigured(f"[metrics] {name} = {file}: {error.strerror}") from error
        tls = cls(*files.values())
        try:
            tls.context()
        except OSError as error:
            raise NotConfigured(f"[metrics] {', '.join(_FILES)}: {error}") from error
        return tls

    def context(self) -> ssl.SSLContext:
        """Read anew for each client, as certificates are renewed; OSError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate, self._key, self._no_phrase)
        if self._authority:
            context.load_verify_locations(self._authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _no_phrase(self) -> NoReturn:
        """OpenSSL would ask the terminal."""
        key = f"[metrics] ssl_key_file = {self._key}"
        raise NotConfigured(f"{key}: it is encrypted, and nobody is there to give a pass phrase")

    def wrapped(self, client: Any) -> ssl.SSLSocket:
        """Before the handshake; OSError."""
        return self.context().wrap_socket(client, server_side=True, do_handshake_on_connect=False)
