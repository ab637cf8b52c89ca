# Sourced after start.bash: start_rabbit SUITE VERSION unpacks that rabbitmq-server of Debian's, with the Erlang and C
# library that it needs, and runs it in namespace $ns, on its usual port; rabbit PROGRAM … runs one of its programs there.
release=$work/release
rabbit() { # a /usr of its own, in a mount namespace of its own
    ip netns exec "$ns" env -i HOME="$work" LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin RUNNING_UNDER_SYSTEMD=true \
        RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_CONF_ENV_FILE=/dev/null \
        RABBITMQ_CONFIG_FILE="$work/rabbitmq" RABBITMQ_ENABLED_PLUGINS_FILE="$work/plugins" RABBITMQ_MNESIA_BASE="$work/db" \
        RABBITMQ_LOG_BASE="$work" RABBITMQ_PID_FILE="$work/pid" ERL_EPMD_ADDRESS=127.0.0.1 \
        unshare --mount sh -c 'mount --bind "$0/usr" /usr && exec /usr/lib/rabbitmq/bin/"$@"' "$release" "$@"
}
rabbitctl() { rabbit rabbitmqctl -q "$@"; }

start_rabbit() {
    mkdir -p "$work"/apt/{lists/partial,debs/partial}
    "$(dirname "$0")/../scripts/debian-sources" "$1" >"$work/apt/sources"
    local apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/apt/sources" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root
        -o "Dir::State::lists=$work/apt/lists" -o "Dir::Cache::archives=$work/apt/debs" -o Dir::Cache::pkgcache=
        -o Dir::Cache::srcpkgcache= -o Dir::State::status=/dev/null)
    "${apt[@]}" update
    "${apt[@]}" -y -d --no-install-recommends install "rabbitmq-server=$2" bash coreutils dash grep hostname mawk sed findutils
    for deb in "$work"/apt/debs/*.deb; do dpkg -x "$deb" "$release"; done
    for part in bin sbin lib lib64; do # before Debian 13 the packages were not merged into /usr yet
        [ ! -d "$release/$part" ] || [ -L "$release/$part" ] || cp -a "$release/$part" "$release/usr/"
    done
    printf '[].\n' >"$work/plugins"
    ip netns add "$ns"
    ip -n "$ns" link set lo up
    boot_rabbit
}

boot_rabbit() {
    rabbit rabbitmq-server >"$work/broker.out" 2>&1 &
    pids+=($!)
    until_true rabbitctl await_startup --timeout 2
}
