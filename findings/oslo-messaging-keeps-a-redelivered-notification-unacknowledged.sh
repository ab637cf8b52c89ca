#!/usr/bin/env bash
# A notification that RabbitMQ delivers twice is dropped by oslo.messaging without an acknowledgement, and stays in the queue.
#
# Software:  oslo.messaging 18.3.1, kombu 5.7.0, RabbitMQ 3.10.8 (Debian 12).
# Expected:  a duplicate that is recognised is acknowledged: the work has been done.
# Happens:   the broker is restarted while an endpoint handles a message, so its acknowledgement is lost. After the reconnect
#            RabbitMQ delivers the message again, oslo.messaging knows its id, logs "ignoring duplicate message" with a
#            traceback and neither acknowledges nor rejects it. It stays "unacknowledged", in the way of rabbit_qos_prefetch_count
#            and seen by nobody, until RabbitMQ's consumer_timeout (30 minutes) closes the channel, and then anew.
# So:        a consumer that acknowledges after the work must see duplicates itself, and know its messages by their ids.
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/rabbit.bash"
start_rabbit bookworm 3.10.8-1.1+deb12u1
python_with oslo.messaging==18.3.1 kombu==5.7.0
cat >"$work/listen.py" <<'PY'
import logging, os, sys, time
import oslo_messaging as messaging
from oslo_config import cfg

class Endpoint:
    def info(self, context, publisher, event, payload, metadata):
        print("handling", flush=True)
        while not os.path.exists(sys.argv[1]):  # until the broker is down
            time.sleep(0.1)
        print("handled", flush=True)

cfg.CONF(["--config-file", sys.argv[2]])
logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
transport = messaging.get_notification_transport(cfg.CONF, "rabbit://guest:guest@127.0.0.1:5672/")
messaging.get_notification_listener(transport, [messaging.Target(topic="events")], [Endpoint()]).start()
print("listening", flush=True)
messaging.Notifier(transport, "me", driver="messagingv2", topics=["events"]).info({}, "done", {})
time.sleep(120)
PY
printf '[oslo_messaging_rabbit]\namqp_durable_queues = true\n' >"$work/durable.conf"
ip netns exec "$ns" "$python" -W ignore "$work/listen.py" "$work/down" "$work/durable.conf" >"$work/heard" 2>"$work/log" &
pids+=($!)
until_true grep -q handling "$work/heard"
rabbitctl stop_app
touch "$work/down"
until_true grep -q handled "$work/heard"
sleep 2
rabbitctl start_app
until_true grep -q "ignoring duplicate message" "$work/log"
sleep 3
expect "times that the endpoint was called" 1 "$(grep -c handled "$work/heard")"
expect "unacknowledged messages, the work done" "events.info 1" \
    "$(rabbitctl list_queues name messages_unacknowledged --no-table-headers | tr '\t' ' ')"
