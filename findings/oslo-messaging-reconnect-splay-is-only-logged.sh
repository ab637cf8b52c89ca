#!/usr/bin/env bash
# kombu_reconnect_splay, which is to spread clients that come back to a broker, changes a line of the log and no pause.
#
# Software:  oslo.messaging 18.3.1, kombu 5.7.0; RabbitMQ 3.10.8 (Debian 12).
# Expected:  "Random time to wait for when reconnecting": with 600 a client whose connection is cut waits up to ten minutes,
#            five on average, so that thousands of clients do not come back to their broker in one moment.
# Happens:   the splay is drawn and is in the log's "Trying again in … seconds"; what is slept is kombu_reconnect_delay alone.
#            All clients come back after the same pause.
# So:        vif-agent draws kombu_reconnect_delay itself, for each start (vif_agent/bus/pauses.py).
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/rabbit.bash"
start_rabbit bookworm 3.10.8-1.1+deb12u1
python_with oslo.messaging==18.3.1 kombu==5.7.0
cat >"$work/serve.py" <<'PY'
import logging, sys
import oslo_messaging as messaging
from oslo_config import cfg

cfg.CONF([])
logging.basicConfig(stream=sys.stdout, level=logging.ERROR)
url = "rabbit://guest:guest@127.0.0.1:5672/?kombu_reconnect_splay=600&kombu_reconnect_delay=0.1"
transport = messaging.get_rpc_transport(cfg.CONF, url)
server = messaging.get_rpc_server(transport, messaging.Target(topic="calls", server="host"), [], executor="threading")
server.start()
server.wait()
PY
ip netns exec "$ns" "$python" -u -W ignore "$work/serve.py" >"$work/serve.log" 2>&1 &
pids+=($!)
consumes() { rabbitctl list_consumers --no-table-headers | grep -q 'calls.host'; }
until_true consumes
comes_back() { # 60 seconds of 600: by chance one in ten, three times in a row one in a thousand
    rabbitctl close_all_connections "for a while" >/dev/null
    for _ in $(seq 60); do
        sleep 1
        consumes && echo "within a minute" && return
    done
    echo later
}
for turn in 1 2 3; do expect "cut off, splay 600, turn $turn" "within a minute" "$(comes_back)"; done
said=$(grep -o 'Trying again in [0-9]* seconds' "$work/serve.log" | grep -o '[0-9]*' | sort -n | tail -1)
expect "the longest pause of the log is longer than a minute" yes "$([ "${said:-0}" -gt 60 ] && echo yes)"
