# Sourced first by each finding: a temporary directory that goes, with all that was started, at the end.
set -euo pipefail
[ "$EUID" = 0 ] || { echo "as root, please" >&2; exit 2; }
work=$(mktemp -d /tmp/finding.XXXXXX)
ns=finding-$$
export PYTHONPATH=$(dirname "$(realpath "${BASH_SOURCE[0]}")") # for kit/*.py
pids=()
finish() {
    local pid signal=TERM
    trap '' INT TERM # another one would end the script in the middle of this
    for _ in 1 2; do # what runs in our namespace is ours
        for pid in "${pids[@]}" $(ip netns pids "$ns" 2>/dev/null); do kill -$signal "$pid" 2>/dev/null || true; done
        for _ in $(seq 100); do [ -z "$(ip netns pids "$ns" 2>/dev/null)" ] || sleep 0.1; done
        signal=KILL
    done
    wait
    ip netns del "$ns" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 143' INT TERM

# expect WHAT WANTED GOT: prints the line; ends the script when the behaviour is another than the one stated
expect() {
    if [ "$2" = "$3" ]; then
        printf 'as stated: %s: %s\n' "$1" "$3"
    else
        printf 'CHANGED: %s: stated %s, seen %s\n' "$1" "$2" "$3"
        exit 1
    fi
}

# until_true COMMAND …: waits for it, 20 seconds at most
until_true() {
    for _ in $(seq 200); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "waited in vain: $*" >&2
    exit 2
}

# python_with PACKAGE==VERSION …: makes $python, an interpreter that has them
python_with() {
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install -qq --disable-pip-version-check "$@"
    python=$work/venv/bin/python
}
