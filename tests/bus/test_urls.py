"""A password that makes another URL of it is refused, and no part of it is ever printed."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from urllib.parse import quote

import oslo_messaging
import pytest
from oslo_config import cfg

from tests.cmd.test_cli import run
from vif_agent.bus import urls
from vif_agent.errors import NotConfigured

GOOD = [
    "rabbit://",
    "rabbit:///",
    "kombu+memory://",
    "fake:///vhost",
    "rabbit://h",
    "rabbit://guest@h/",
    "rabbit://u:p@h:5672/",
    "rabbit://u:p@h:5672//nova?ssl=1&ssl_ca_file=/etc/ssl/ca.pem",
    "rabbit://u:p@10.0.0.1:5672,u:p@10.0.0.2:5672,u:p@10.0.0.3:5672/vhost",
    "rabbit://u:p@h1:5672,h2:5672/",
    "rabbit://u:p@[2001:db8::1]:5672/",
    "rabbit://u:p@[fe80::1%25eth0]:5672/",
    "rabbit://user_1:S3cret-~.!$&'()*+;=@rabbit-1.example.org:5671/a-vhost",
    "rabbit://u:p:q@h:5672/",  # as it was: the first colon counts
    "rabbit://u:p%23%2F%3F%2C%40%3A%25@h:5672/%2F",
    "rabbit://u:@h/",
]
#: characters of passwords that people and their tools make up
ODD = "#/?,:@1x"


@pytest.mark.parametrize("url", GOOD)
def test_url_that_works_is_taken(url: str) -> None:
    urls.check("[DEFAULT] transport_url", url)


def test_password_is_read_as_it_is_written_or_refused() -> None:
    """All of up to four odd characters; but what is a list of two brokers as well as a password."""
    conf, refused = cfg.ConfigOpts(), 0
    passwords = ["".join(p) for n in range(1, 5) for p in itertools.product(ODD, repeat=n)]
    passwords = [p for p in passwords if not re.search("@.+,.+:", p)]
    for password in passwords:
        url = f"rabbit://user:{password}@host:5672/vhost"
        try:
            urls.check("x", url)
        except NotConfigured:
            refused += 1
            continue
        read = oslo_messaging.TransportURL.parse(conf, url)
        found = [(h.hostname, h.port, h.username, h.password) for h in read.hosts]
        assert (found, read.virtual_host) == ([("host", 5672, "user", password)], "vhost"), url
    assert 0 < refused < len(passwords)


@pytest.mark.parametrize(
    ("group", "password"),
    [
        *(("DEFAULT", password) for password in ("a:1#b", "1/b", "12?b", ":1,b")),
        ("oslo_messaging_notifications", "1,b"),
    ],
)
def test_start_says_what_to_escape_and_nothing_of_the_password(
    tmp_path: Path, group: str, password: str
) -> None:
    file = tmp_path / "vif-agent.conf"
    secret = f"rabbit://zyxuser:{password}@zyxhost:5672/zyxvhost"
    file.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n[{group}]\ntransport_url = {secret}\n")
    done = run("--config-file", str(file))
    output = done.stdout + done.stderr
    assert done.returncode == 2, output
    assert f"[{group}] transport_url: expected rabbit://USER:PASSWORD@HOST" in output
    assert "# as %23" in output
    assert "zyx" not in output
    assert not re.search(r"Traceback|5672", output)


def test_password_that_is_escaped_is_taken() -> None:
    url = f"rabbit://user:{quote(ODD, safe='')}@host:5672/vhost"
    urls.check("x", url)
    (host,) = oslo_messaging.TransportURL.parse(cfg.ConfigOpts(), url).hosts
    assert host.password == ODD
