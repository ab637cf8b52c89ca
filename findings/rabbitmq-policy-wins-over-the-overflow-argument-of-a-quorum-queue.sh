#!/usr/bin/env bash
# What a full queue does with one more message: a queue's own word or a policy's counts, by the kind of queue.
#
# Software:  RabbitMQ 3.10.8 (Debian 12), amqp 5.4.2.
# Expected:  an argument with which a queue was declared has precedence over a policy, as RabbitMQ says of arguments; so a
#            queue declared with x-overflow=reject-publish never drops what is in it, whatever a policy's overflow is.
# Happens:   so it is for a classic queue. With a quorum queue the policy's overflow=drop-head wins: each message is
#            confirmed, and the oldest are dropped without a word. The argument is shown as it was given.
# So:        the argument is a guard on classic queues alone; for quorum queues look at the policies (docs/broker.md).
. "$(dirname "$0")/kit/start.bash"
. "$(dirname "$0")/kit/rabbit.bash"
start_rabbit bookworm 3.10.8-1.1+deb12u1
python_with amqp==5.4.2
cat >"$work/fill.py" <<'PY'
import sys
import amqp
from amqp.exceptions import MessageNacked

kind = sys.argv[1]
arguments = {"x-queue-type": kind, "x-overflow": "reject-publish"}
confirmed = 0
with amqp.Connection("127.0.0.1:5672", confirm_publish=True) as connection:
    channel = connection.channel()
    channel.queue_declare(f"full.{kind}", durable=True, auto_delete=False, arguments=arguments)
    for number in range(10):
        try:
            channel.basic_publish(amqp.Message(str(number)), routing_key=f"full.{kind}")
            confirmed += 1
        except MessageNacked:
            pass
    first = channel.basic_get(f"full.{kind}")
    print("all" if confirmed == 10 else "some", "confirmed, first in the queue:", "0" if first.body == "0" else "a later one")
PY
rabbitctl set_policy small '^full' '{"max-length":2,"overflow":"drop-head"}' --apply-to queues
for kind in classic quorum; do
    case $kind in
    classic) stated="some confirmed, first in the queue: 0" ;;
    quorum) stated="all confirmed, first in the queue: a later one" ;;
    esac
    expect "ten messages to a $kind queue that rejects, by policy of length 2 that drops" "$stated" \
        "$(ip netns exec "$ns" "$python" "$work/fill.py" $kind)"
    shown=$(rabbitctl list_queues name arguments --no-table-headers | grep "full.$kind" | grep -c reject-publish)
    expect "  its argument is there" 1 "$shown"
done
