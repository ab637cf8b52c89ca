#!/usr/bin/env bash
# Each message that is published by kombu's autoretry() leaves a class in a circle, which only the garbage collector frees.
#
# Software:  kombu 5.7.0, and oslo.messaging 18.3.1, which publishes all by it (seen on Python 3.11); kombu's transport in
#            memory shows it.
# Expected:  what one message needed is freed when the call returns, as by Producer.publish() without it.
# Happens:   autoretry() makes a class each time (Revival), and a class refers to itself: some 15 objects a message, some 30 by
#            an RPC cast of oslo.messaging. Python by its own measure begins a search after some 700 of them, and of all
#            that lives now and then: in a service with much in its memory that is a good part of the cost of a message.
# So:        set the collector's thresholds (gc.freeze() after the start, gc.set_threshold()), never switch it off.
#            vif-agent does.
. "$(dirname "$0")/kit/start.bash"
python_with oslo.messaging==18.3.1 kombu==5.7.0
cat >"$work/publish.py" <<'PY'
import gc
import kombu, oslo_messaging
from oslo_config import cfg

connection = kombu.Connection("memory://")
channel = connection.channel()
cfg.CONF([])
transport = oslo_messaging.get_rpc_transport(cfg.CONF, "kombu+memory://")
client = oslo_messaging.get_rpc_client(transport, oslo_messaging.Target(topic="t")).prepare(server="host")

def publish(channel):
    kombu.Producer(channel).publish("x", routing_key="q")

def garbage_of(send):
    send()
    gc.collect()
    for _ in range(10):
        send()
    return gc.collect() // 10

gc.disable()
print("plain", garbage_of(lambda: publish(channel)))
print("autoretry", garbage_of(lambda: connection.autoretry(publish, channel)()))
print("cast", garbage_of(lambda: client.cast({}, "plug")))
PY
mapfile -t seen < <("$python" -W ignore "$work/publish.py" 2>/dev/null)
expect "objects in circles that a published message leaves" "plain 0" "${seen[0]}"
expect "the same by autoretry()" "autoretry 15" "${seen[1]}"
read -r _ cast <<<"${seen[2]}"
expect "a cast of oslo.messaging leaves at least as many" True "$([ "$cast" -ge 15 ] && echo True || echo "$cast")"
