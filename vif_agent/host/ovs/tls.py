"""OVSDB over TLS: the certificates, and a stream that waits as it should and says what is wrong."""

import errno
import ssl
from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

import ovs.poller
from ovs.stream import Stream

from vif_agent.errors import NotConfigured
from vif_agent.private_names import python_ovs

_SET = {
    "ssl_key_file": Stream.ssl_set_private_key_file,
    "ssl_cert_file": Stream.ssl_set_certificate_file,
    "ssl_ca_cert_file": Stream.ssl_set_ca_cert_file,
}

CLOSED_AFTER_HANDSHAKE = (
    "TLS: closed after the handshake, as by who does not accept our certificate"
)


def use_certificates(options: Any) -> None:
    """Those of the configuration's group [ovs], where the connection needs some. For the whole
    process: python-ovs knows no other way."""
    if not options.ovsdb_connection.startswith("ssl:"):
        return
    files = {name: options[name] for name in _SET}
    if not all(files.values()):
        *others, last = files
        raise NotConfigured(f"[ovs] ovsdb_connection: ssl: needs {', '.join(others)} and {last}")
    _check(files)
    TlsStream.files = files
    for name, use in _SET.items():
        use(files[name])
    Stream.register_method("ssl", TlsStream)


def _check(files: Mapping[str, str]) -> None:
    """python-ovs would raise at each attempt to connect, and not say which file it is; and OpenSSL
    would ask the terminal for a pass phrase."""
    for name, file in files.items():
        try:
            open(file, "rb").close()
        except OSError as error:
            raise NotConfigured(f"[ovs] {name} = {file}: {error.strerror}") from error

    def no_phrase() -> NoReturn:
        key = f"[ovs] ssl_key_file = {files['ssl_key_file']}"
        raise NotConfigured(f"{key}: it is encrypted, and nobody is there to give a pass phrase")

    try:
        context = ssl.create_default_context(cafile=files["ssl_ca_cert_file"])
        context.load_cert_chain(files["ssl_cert_file"], files["ssl_key_file"], no_phrase)
    except OSError as error:
        raise NotConfigured(f"[ovs] {', '.join(files)}: {error}") from error


class TlsStream(python_ovs.TlsStream):
    """``trouble``: why it came to its end, where TLS knows more than errno can say."""

    files: ClassVar[Mapping[str, str]] = {}
    unusable: ClassVar[str] = ""  # why there is no stream at all

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.trouble = ""
        self._wants = 0
        self._shaken = self._heard = False

    @classmethod
    def opened(cls, suffix: str, dscp: int) -> tuple[int, Any]:
        """The files are read anew each time, for certificates are renewed."""
        try:
            _check(cls.files)
            cls.unusable = ""
            return super().opened(suffix, dscp)
        except (NotConfigured, ssl.SSLError) as wrong:
            cls.unusable = str(wrong)
            return errno.EPROTO, None

    def connect(self) -> int:
        """python-ovs waits for room to send while it is the peer that is to speak: always awake.

        Nor is the handshake tried again at each read, as there: that fails with ENOTCONN where the
        peer has gone, before its last word is read.
        """
        error: int = Stream.connect(self)
        if error or self._shaken:
            return error
        self._wants = 0
        error, _ = self._tried(self.socket.do_handshake)
        self._shaken = error == 0
        return error

    def connect_wait(self, poller: Any) -> None:
        """For what TLS waits for, amid the handshake."""
        if self._wants:
            poller.fd_wait(self.socket, self._wants)
        else:
            super().connect_wait(poller)

    def recv(self, n: int) -> tuple[int, Any]:
        """The peer's word on our certificate comes here: with TLS 1.3 after the handshake."""
        error, answer = self._tried(self.read, n)
        self._heard = self._heard or bool(answer and answer[1])
        return (error, "") if error else answer

    def send(self, buf: Any) -> int:
        """How much was written, or an errno below 0."""
        error, sent = self._tried(self.write, buf)
        return -error if error else int(sent)

    def recv_wait(self, poller: Any) -> None:
        """What is read off the socket already wakes no poll."""
        if self.socket is not None and self.socket.pending():
            poller.immediate_wake()
        super().recv_wait(poller)

    def _tried(self, do: Any, *args: Any) -> tuple[int, Any]:
        """0 and the answer; else an errno."""
        try:
            return 0, do(*args)
        except ssl.SSLWantReadError:
            self._wants = ovs.poller.POLLIN
            return errno.EAGAIN, None
        except ssl.SSLWantWriteError:
            self._wants = ovs.poller.POLLOUT
            return errno.EAGAIN, None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.trouble = "TLS: closed by the peer"
        except ssl.SSLError as error:
            self.trouble = _text(error)
            return errno.EPROTO, None
        except OSError as error:
            if not self._shaken or self._heard:
                return error.errno or errno.EPROTO, None
        if self._shaken and not self._heard:  # its word on that may be lost with the connection
            self.trouble = CLOSED_AFTER_HANDSHAKE
        return errno.EPROTO, None


def _text(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: its certificate is not accepted: {error.verify_message}"
    reason = (error.reason or str(error)).replace("_", " ").lower()
    ours = "it does not accept our certificate: " if "ALERT" in str(error.reason) else ""
    return f"TLS: {ours}{reason}"
