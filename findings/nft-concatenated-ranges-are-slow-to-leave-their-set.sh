#!/usr/bin/env bash
# Elements of a set of concatenated ranges leave it at many times the cost of their coming, and "flush set" is no way round.
#
# Software:  Linux (seen on 6.18), nftables (seen with 1.0.6).
# Expected:  to delete elements costs what it cost to add them, for each the same; to flush a set costs next to nothing.
# Happens:   4,000 elements, kernel's CPU: added in 0.02 s, deleted in 1 s, flushed in 1 s. An element of 4,000 takes some 1.7
#            times what one of 1,000 takes: for each, the kernel shifts the lookup tables of all that are there. Every
#            other change of nftables in that namespace waits meanwhile. A set that is deleted whole is gone at once.
# So:        where many go, delete the set and make it anew with what stays, in one batch.
#            vif-agent does so with its table when more than 16 ranges go.
. "$(dirname "$0")/kit/start.bash"
ip netns add "$ns"
cat >"$work/cost.py" <<'PY'
import resource, subprocess

def kernel_time(batch):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_stime
    subprocess.run(["nft", "-f", "-"], input=batch, text=True, check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_stime - before

def elements(count):
    return "inet t s { " + ", ".join(f"tap{i} . 10.{i >> 8}.{i & 255}.0/24" for i in range(count)) + " }\n"

def costs(how, count):
    times = []
    for _ in range(3):
        kernel_time("add element " + elements(count))
        times.append(kernel_time(how))
        kernel_time("delete set inet t s\n" + made)
    return times

made = "add set inet t s { type ifname . ipv4_addr; flags interval; }\n"
kernel_time("add table inet t\n" + made)
few, many = (min(costs("delete element " + elements(count), count)) for count in (1000, 4000))
flushed = min(costs("flush set inet t s\n", 4000))
anew = max(costs("delete set inet t s\n" + made + "add element " + elements(4000), 4000))
print(many > 5 * few, many > 5 * anew, flushed > 5 * anew)
PY
read -r grows deleted flushed < <(ip netns exec "$ns" python3 "$work/cost.py")
expect "4,000 deleted cost more than 5 times what 1,000 cost" True "$grows"
expect "and more than 5 times what the set made anew with all 4,000 costs" True "$deleted"
expect "so does flush set" True "$flushed"
