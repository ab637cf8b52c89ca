#!/usr/bin/env bash
# A message that the broker refuses, for its queue is full, is told as a server that cannot be reached.
#
# Software:  oslo.messaging 18.3.1, kombu 5.7.0, amqp 5.4.2; RabbitMQ 3.10.8 (Debian 12).
# Expected:  a queue with max-length and overflow=reject-publish answers a publish with basic.nack. The sender hears, at
#            once and by a word of its own, that the message was not taken; the connection is well, and is kept.
# Happens:   kombu counts the nack among the errors of the connection. oslo.messaging logs that the AMQP server "is
#            unreachable", with nothing for a reason, closes the good connection, connects anew, and sends the message again,
#            as often as retry says; then it raises MessageDeliveryFailure like for a broker that is away.
# So:        vif-agent looks for MessageNacked among an error's causes, and says that the queue is full.
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/rabbit.bash"
start_rabbit bookworm 3.10.8-1.1+deb12u1
python_with oslo.messaging==18.3.1 kombu==5.7.0 amqp==5.4.2
cat >"$work/send.py" <<'PY'
import logging, sys
import amqp
import oslo_messaging as messaging
from oslo_config import cfg

with amqp.Connection("127.0.0.1:5672") as connection:
    channel = connection.channel()
    channel.exchange_declare("full", "topic", durable=False, auto_delete=False)
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    channel.queue_declare("full.host", durable=False, auto_delete=False, arguments=arguments)
    channel.queue_bind("full.host", "full", "full.host")
cfg.CONF([])
logging.basicConfig(stream=sys.stdout, level=logging.ERROR, format="log: %(message)s")
transport = messaging.get_rpc_transport(cfg.CONF, "rabbit://guest:guest@127.0.0.1:5672/")
client = messaging.get_rpc_client(transport, messaging.Target(exchange="full", topic="full", server="host"), retry=1)
for _ in range(3):
    try:
        client.cast({}, "anything")
    except Exception as error:
        print("raised:", type(error).__name__)
PY
said=$(ip netns exec "$ns" "$python" -W ignore "$work/send.py" 2>&1)
count() { grep -ci "$1" <<<"$said" || true; }
expect "its word for a full queue, at least once" yes "$([ "$(count 'log:.*is unreachable')" -gt 0 ] && echo yes)"
expect "a word of nack, full or refused" 0 "$(count 'nack\|is full\|reject')"
expect "what is raised" "raised: MessageDeliveryFailure" "$(grep '^raised' <<<"$said" | sort -u)"
