#!/usr/bin/env bash
# oslo.messaging's Notifier answers None for a notification that it could not send.
#
# Software:  oslo.messaging 18.3.1 (kombu 5.7.0), driver messagingv2, RabbitMQ's transport; no broker is needed to see it.
# Expected:  info() raises when its tries (retry=0: one) are used up, as RPCClient.cast() does with
#            the same transport and the same retry.
# Happens:   info() returns as after a success. The driver has caught the error and logged it; the caller cannot keep the
#            notification to send it later.
# So:        whoever must not lose notifications has to send them by a call that raises.
. "$(dirname "$0")/kit/start.bash"
python_with oslo.messaging==18.3.1 kombu==5.7.0
cat >"$work/send.py" <<'PY'
import logging, sys
import oslo_messaging as messaging
from oslo_config import cfg

logging.basicConfig(level=logging.CRITICAL)
conf = cfg.CONF
conf([])
url = "rabbit://guest:guest@127.0.0.1:1/"  # nothing listens there

def notify():
    transport = messaging.get_notification_transport(conf, url)
    notifier = messaging.Notifier(transport, "me", driver="messagingv2", topics=["events"], retry=0)
    return notifier.info({}, "port.plugged", {})

def cast():
    client = messaging.get_rpc_client(messaging.get_rpc_transport(conf, url), messaging.Target(topic="t"))
    return client.prepare(server="host", retry=0).cast({}, "plug")

try:
    print("returned", {"notify": notify, "cast": cast}[sys.argv[1]]())
except Exception as error:
    print("raised", type(error).__name__)
PY
send() { timeout 60 "$python" -W ignore "$work/send.py" "$1" 2>/dev/null; }
expect "RPCClient.cast() without a broker" "raised OperationalError" "$(send cast)"
expect "Notifier.info() without a broker" "returned None" "$(send notify)"
