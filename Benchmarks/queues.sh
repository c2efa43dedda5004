#!/usr/bin/env bash
# Many queues on one broker: memory, rates, start.
#   Benchmarks/queues.sh SPINDLE WORKDIR [QUEUES]
set -euo pipefail
spindle=$1 work=$2 queues=${3:-10000}
port=${PORT_BASE:-17600}
broker_pid=
start() {
    "$spindle" broker --data "$work/data" --port-base "$port" >>"$work/log" 2>&1 &
    broker_pid=$!
    until curl -sf "http://127.0.0.1:$((port + 3))/readyz" >/dev/null; do
        kill -0 "$broker_pid" || { tail -n 5 "$work/log"; exit 1; }
        sleep 0.02
    done
}
stop() { kill "-$1" "$broker_pid" && { wait "$broker_pid" 2>/dev/null || true; }; broker_pid=; }
trap '[ -z "$broker_pid" ] || kill -9 "$broker_pid"' EXIT
memory() { awk '/VmRSS|RssAnon/ {printf "%s %d MB  ", $1, $2 / 1024} END {print ""}' "/proc/$broker_pid/status"; }
bench() { "$spindle" bench "$@" --data "$work/data" --port-base "$port" --json | sed -E 's/.*"messages_per_second":([0-9.]+).*"p99_us":([0-9]+).*/\1 messages\/s, p99 \2 µs/'; }
rates() {
    echo "publish, batches:  $(bench publish --size 128 --count 1000000 --batch 500 --window 32 --queue "$1")"
    echo "publish, single:   $(bench publish --size 128 --count 200000 --batch 1 --window 256 --queue "$1")"
    echo "lease:             $(bench lease --size 128 --count 500000 --batch 500 --window 16 --queue "$1-l")"
}
rm -rf "$work"
mkdir -p "$work"
start
echo "— few queues: $(memory)"
rates a
"$spindle" bench queues --count "$queues" --lease --data "$work/data" --port-base "$port"
"$spindle" bench queues --count "$queues" --data "$work/data" --port-base "$port" >/dev/null
echo "— $queues queues with a message: $(memory)"
rates b
echo "memory after load: $(memory)"
stop 9
began=$(date +%s%N)
start
echo "start after kill -9: ready after $((($(date +%s%N) - began) / 1000000)) ms, $(memory)"
stop TERM
