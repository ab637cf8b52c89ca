#!/usr/bin/env bash
# A listener of oslo.messaging whose start() raised does nothing at the next start(), and raises nothing.
#
# Software:  oslo.messaging 18.3.1, kombu 5.7.0, RabbitMQ 3.10.8 (Debian 12).
# Expected:  a start() that raised, here for want of a permission that is then given, may be tried again as one retries any
#            connection; or the second call raises too.
# Happens:   the step counts as done once it was tried. The second start() returns at once: no consumer, no error. A service
#            that retries start() believes that it listens, and hears nothing for ever.
# So:        make a new listener for each try.
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/rabbit.bash"
start_rabbit bookworm 3.10.8-1.1+deb12u1
python_with oslo.messaging==18.3.1 kombu==5.7.0
cat >"$work/start.py" <<'PY'
import logging, os, sys, time
import oslo_messaging as messaging
from oslo_config import cfg

class Endpoint:
    def info(self, *told):
        pass

def tried(listener):
    try:
        listener.start()
    except Exception as error:
        return type(error).__name__
    return "no error"

cfg.CONF([])
logging.disable(logging.CRITICAL)
transport = messaging.get_notification_transport(cfg.CONF, "rabbit://agent:secret@127.0.0.1:5672/")
def listener():
    return messaging.get_notification_listener(transport, [messaging.Target(topic="events")], [Endpoint()])
first = listener()
print("without permission:", tried(first), flush=True)
while not os.path.exists(sys.argv[1]):  # until it is given
    time.sleep(0.1)
print("with it:", tried(first), flush=True)
while os.path.exists(sys.argv[1]):
    time.sleep(0.1)
print("a new one:", tried(listener()), flush=True)
time.sleep(60)
PY
consumers() { rabbitctl list_consumers queue_name --no-table-headers | grep -c events || true; }
rabbitctl add_user agent secret
rabbitctl set_permissions agent '^$' '^$' '^$'
ip netns exec "$ns" "$python" -W ignore "$work/start.py" "$work/given" >"$work/told" 2>&1 &
pids+=($!)
until_true grep -q without "$work/told"
expect "the first start()" "without permission: MessageDeliveryFailure" "$(cat "$work/told")"
rabbitctl set_permissions agent '.*' '.*' '.*'
touch "$work/given"
until_true grep -q "with it" "$work/told"
expect "the second start()" "with it: no error" "$(tail -1 "$work/told")"
sleep 3
expect "consumers after a second start() that raised nothing" 0 "$(consumers)"
rm "$work/given"
until_true grep -q "a new one" "$work/told"
sleep 1
expect "consumers after the start() of a new listener" 1 "$(consumers)"
