#!/usr/bin/env bash
# Neutron's metadata agent gives a guest no answer at all for user data that is not UTF-8, and unpacks user data that is gzip.
#
# Software:  neutron 29.0.0 (WebOb 1.8.11, requests 2.34.2), the class that answers the guests in both its metadata agents (with the
#            L3 and DHCP agents, and OVN's). Nova is played here: its answers are made as nova 34.0.0 makes them, which puts
#            "text/plain; charset=UTF-8" on user data of every kind.
# Expected:  user data are octets (nova takes them in base64): a proxy hands them on as they are.
# Happens:   the agent writes its answer by str() of a webob.Response, which decodes the body. What is not UTF-8, a bzip2
#            archive or a script in Latin-1, raises UnicodeDecodeError: the connection closes without one octet, which
#            the haproxy before it makes 502. And gzip comes to the guest unpacked, with neither the length nor
#            the digest that the user had.
# So:        user data that are neither UTF-8 nor gzip of UTF-8 go by config drive, or as base64 in a MIME part. vif-agent
#            has no part in metadata; its tests with Neutron send text with a charset.
. "$(dirname "$0")/kit/start.bash"
python_with neutron==29.0.0 WebOb==1.8.11 requests==2.34.2
ip netns add "$ns"
ip -n "$ns" link set lo up
cat >"$work/nova.py" <<'PY'
import bz2, gzip
from wsgiref import simple_server
import webob.dec

SCRIPT = "#!/bin/sh\necho gr\xfcezi\n"
USER_DATA = {
    "/text": SCRIPT.encode(),
    "/gzip": gzip.compress(SCRIPT.encode()),
    "/latin-1": SCRIPT.encode("latin-1"),
    "/bzip2": bz2.compress(SCRIPT.encode()),
}

@webob.dec.wsgify
def nova(request):  # the same as nova/api/metadata/handler.py
    request.response.body = USER_DATA[request.path_info]
    request.response.content_type = "text/plain"
    return request.response

if __name__ == "__main__":
    simple_server.make_server("127.0.0.1", 8775, nova).serve_forever()
PY
cat >"$work/guest.py" <<'PY'
import logging, os, socket, sys, threading
from neutron.agent.metadata import proxy_base
from neutron.common import metadata
from neutron.conf.agent.metadata import config
from oslo_config import cfg
from nova import USER_DATA

logging.disable(logging.CRITICAL)
conf, path = cfg.CONF, os.path.join(os.path.dirname(__file__), "metadata")
for options in (config.SHARED_OPTS, config.METADATA_PROXY_HANDLER_OPTS, config.UNIX_DOMAIN_METADATA_PROXY_OPTS):
    config.register_meta_conf_opts(options)
conf([])
conf.set_override("nova_metadata_host", "127.0.0.1")

class Handler(metadata.MetadataProxyHandlerBaseSocketServer):
    NETWORK_ID_HEADER, ROUTER_ID_HEADER = "X-Neutron-Network-ID", "X-Neutron-Router-ID"

    def __init__(self, *request):
        super().__init__(conf, False, **dict(zip(("request", "client_address", "server"), request)))

    def get_port(self, *_, **__):  # what the agents ask Neutron's server for
        return "instance", "project"

class Server(proxy_base.MetadataProxyServer):
    def handle_error(self, *_):
        print("the agent:", sys.exc_info()[0].__name__ + ";", end=" ")

server = Server(0, path, Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
guest = socket.socket(socket.AF_UNIX)
guest.settimeout(30)
guest.connect(path)
head = ["GET /%s HTTP/1.1" % sys.argv[1], "Host: 169.254.169.254", "X-Forwarded-For: 10.0.0.1", "X-Neutron-Network-ID: net"]
guest.sendall("\r\n".join([*head, "", ""]).encode())
head, _, body = guest.makefile("rb").read().partition(b"\r\n\r\n")
same = {b"": "nothing", USER_DATA["/text"]: "unpacked", USER_DATA["/" + sys.argv[1]]: "the user's octets"}
print("the guest:", (head.splitlines() or [b"no status line"])[0].decode() + ",", same.get(body, body))
PY
guest() { timeout 60 ip netns exec "$ns" "$python" -W ignore "$work/guest.py" "$1" 2>/dev/null && rm "$work/metadata"; }
ip netns exec "$ns" "$python" "$work/nova.py" >/dev/null 2>&1 &
pids+=($!)
until_true ip netns exec "$ns" "$python" -c 'import socket; socket.create_connection(("127.0.0.1", 8775))'
expect "a script in UTF-8" "the guest: HTTP/1.1 200 OK, the user's octets" "$(guest text)"
expect "the same packed by gzip" "the guest: HTTP/1.1 200 OK, unpacked" "$(guest gzip)"
no="the agent: UnicodeDecodeError; the guest: no status line, nothing"
expect "the same packed by bzip2" "$no" "$(guest bzip2)"
expect "the same in Latin-1" "$no" "$(guest latin-1)"
