#!/usr/bin/env bash
# The delivery limit of a quorum queue is part of what all declarers must agree on; a policy of the same effect is not.
#
# Software:  RabbitMQ 3.10.8 (Debian 12), oslo.messaging 18.3.1, kombu 5.7.0.
# Expected:  a limit that guards the messages of a queue is a setting of the queue: who declares the queue without a word of
#            it takes it as it is, as with a policy. So one service after the other can be given rabbit_quorum_delivery_limit.
# Happens:   whoever declares second, with another limit or with none, is refused: PRECONDITION_FAILED "inequivalent arg
#            x-delivery-limit". Where producers declare too, as oslo.messaging's notifier does, all change together or not.
# So:        set it for all services that share queues at once, with new queues; or use a policy (delivery-limit), for both.
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/rabbit.bash"
start_rabbit bookworm 3.10.8-1.1+deb12u1
python_with oslo.messaging==18.3.1 kombu==5.7.0
cat >"$work/declare.py" <<'PY'
import logging, sys
import oslo_messaging as messaging
from oslo_config import cfg

topic, limit = sys.argv[1:]
cfg.CONF([])
logging.basicConfig(stream=sys.stdout, level=logging.ERROR)
transport = messaging.get_notification_transport(cfg.CONF, "rabbit://guest:guest@127.0.0.1:5672/")
group = "oslo_messaging_rabbit"
cfg.CONF.set_override("rabbit_quorum_queue", True, group)
cfg.CONF.set_override("rabbit_quorum_delivery_limit", int(limit), group)
messaging.Notifier(transport, "me", driver="messagingv2", topics=[topic], retry=0).info({}, "done", {})
PY
declare() { # what the broker says against the declaration by a notifier, if anything
    ip netns exec "$ns" "$python" -W ignore "$work/declare.py" "$@" 2>&1 |
        grep -o "inequivalent arg 'x-delivery-limit'" | head -1 || true
}
expect "first sender, limit 100" "" "$(declare events 100)"
expect "second sender, no limit" "inequivalent arg 'x-delivery-limit'" "$(declare events 0)"
expect "third sender, limit 200" "inequivalent arg 'x-delivery-limit'" "$(declare events 200)"
rabbitctl set_policy limited '^others' '{"delivery-limit":100}' --apply-to queues
expect "first sender of a queue with a policy of 100, no limit" "" "$(declare others 0)"
expect "second sender, no limit" "" "$(declare others 0)"
policy=$(rabbitctl list_queues name policy --no-table-headers | awk '$1 == "others.info" { print $2 }')
expect "its policy" limited "$policy"
