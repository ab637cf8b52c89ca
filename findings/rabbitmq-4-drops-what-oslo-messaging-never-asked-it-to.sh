#!/usr/bin/env bash
# RabbitMQ 4 throws a message of a quorum queue away at the 21st delivery; oslo.messaging's default "0" does not prevent it.
#
# Software:  RabbitMQ 4.0.5 (Debian 13), oslo.messaging 18.3.1, kombu 5.7.0.
# Expected:  a message that nobody has acknowledged stays in its queue, whoever comes and goes: so it was up to RabbitMQ 3.13.
#            And [oslo_messaging_rabbit] rabbit_quorum_delivery_limit = 0 has the help "0 ... means dont set a limit".
# Happens:   0 is not sent, and RabbitMQ 4 then takes its own default, 20. Each connection that ends with the message
#            unacknowledged counts, also one that is closed in good order. Without a dead letter exchange the message is gone, with no word to
#            sender or consumer and nothing in the broker's log.
# So:        a consumer that acknowledges late sets a high limit itself (it is fixed when the queue is declared).
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/rabbit.bash"
start_rabbit trixie 4.0.5-6+deb13u2
python_with oslo.messaging==18.3.1 kombu==5.7.0
cat >"$work/bus.py" <<'PY'
import sys, time
import kombu
import oslo_messaging as messaging
from oslo_config import cfg

limit, returns = int(sys.argv[1]), int(sys.argv[2])
url = "amqp://guest:guest@127.0.0.1:5672//"
conf = cfg.CONF
transport = messaging.get_notification_transport(conf, url.replace("amqp", "rabbit"))
conf([])
group = "oslo_messaging_rabbit"
conf.set_override("rabbit_quorum_queue", True, group)
conf.set_override("rabbit_quorum_delivery_limit", limit, group)
class Endpoint:  # its method names the queue
    def info(self, *told):
        pass

topic = f"limit{limit}after{returns}"
listener = messaging.get_notification_listener(transport, [messaging.Target(topic=topic)], [Endpoint()])
listener.start()  # declares the queue
listener.stop()
listener.wait()
with kombu.Connection(url) as connection:
    connection.Producer().publish("hello", routing_key=f"{topic}.info", retry=False)
    time.sleep(1)
for _ in range(returns):  # a consumer that gets the message and leaves without a word
    with kombu.Connection(url) as connection:
        connection.default_channel.basic_get(f"{topic}.info")
time.sleep(1)
with kombu.Connection(url) as connection:
    print("there" if connection.default_channel.basic_get(f"{topic}.info") else "gone")
PY
bus() { ip netns exec "$ns" "$python" -W ignore "$work/bus.py" "$@" 2>"$work/bus.err" || cat "$work/bus.err"; }
expect "the broker" 4.0.5 "$(rabbitctl version)"
expect "delivery limit 0, 10 consumers that left" there "$(bus 0 10)"
expect "delivery limit 0, 25 consumers that left" gone "$(bus 0 25)"
expect "delivery limit 1000000, 25 consumers that left" there "$(bus 1000000 25)"
