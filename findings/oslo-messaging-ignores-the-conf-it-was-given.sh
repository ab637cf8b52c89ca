#!/usr/bin/env bash
# oslo.messaging is given a ConfigOpts of the caller's own, and still reads options of the process-wide CONF from it.
#
# Software:  oslo.messaging 18.3.1 (oslo.config 10.x), RPCClient.cast() over RabbitMQ's transport.
# Expected:  get_rpc_transport(conf) registers on conf whatever it will read: any ConfigOpts will do, as its own
#            documentation says ("conf: the user configuration").
# Happens:   the first cast raises NoSuchOptError for "oslo_messaging_tracing", a group that is registered on
#            oslo_config.cfg.CONF alone. The text blames [DEFAULT], where nobody could have set it.
# So:        a sender must hand over cfg.CONF itself, or register those options by oslo_messaging.opts.list_opts().
. "$(dirname "$0")/kit/start.bash"
python_with oslo.messaging==18.3.1 kombu==5.7.0
cat >"$work/send.py" <<'PY'
import logging, sys
import oslo_messaging as messaging
from oslo_config import cfg

logging.basicConfig(level=logging.CRITICAL)
conf = {"own": cfg.ConfigOpts(), "global": cfg.CONF}[sys.argv[1]]
conf([])
transport = messaging.get_rpc_transport(conf, "rabbit://guest:guest@127.0.0.1:1/")
client = messaging.get_rpc_client(transport, messaging.Target(topic="t"))
try:
    client.prepare(server="host", retry=0).cast({}, "plug")
except Exception as error:
    print(type(error).__name__)
PY
send() { timeout 60 "$python" -W ignore "$work/send.py" "$1" 2>/dev/null; }
expect "cast with the global CONF (there is no broker)" OperationalError "$(send global)"
expect "cast with a ConfigOpts of one's own" NoSuchOptError "$(send own)"
