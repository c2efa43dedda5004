#!/usr/bin/env bash
# Two builds side by side: the same loads on each in turn, so that what the machine does otherwise hits both.
#   Benchmarks/compare.sh SPINDLE_BEFORE SPINDLE_AFTER WORKDIR [ROUNDS]
# Messages per second of each, and the share of the second. The first round warms the disk up and is left out.
set -euo pipefail
before=$1 after=$2 work=$3 rounds=${4:-4}
port=${PORT_BASE:-17700}
broker_pid=
trap '[ -z "$broker_pid" ] || kill -9 "$broker_pid"' EXIT
bench() { "$spindle" bench "$@" --data "$data" --port-base "$port" --json | sed -E 's/.*"messages_per_second":([0-9]+).*/\1/'; }
load() { # NAME SPINDLE
    spindle=$2 data=$work/$1
    rm -rf "$data"
    mkdir -p "$data"
    "$spindle" broker --data "$data" --port-base "$port" >"$work/$1.log" 2>&1 &
    broker_pid=$!
    until curl -sf "http://127.0.0.1:$((port + 3))/readyz" >/dev/null; do
        kill -0 "$broker_pid" || { tail -n 5 "$work/$1.log"; exit 1; }
        sleep 0.02
    done
    bench publish --size 128 --count 300000 --batch 500 --window 32 --queue warm >/dev/null
    echo "publish-128 $(bench publish --size 128 --count 1000000 --batch 500 --window 32 --queue a)"
    echo "publish-128-single $(bench publish --size 128 --count 100000 --batch 1 --window 1000 --queue b)"
    echo "lease-128 $(bench lease --size 128 --count 500000 --batch 500 --window 16 --queue c)"
    kill -TERM "$broker_pid"
    wait "$broker_pid" 2>/dev/null || true
    broker_pid=
    rm -rf "$data"
}
mkdir -p "$work"
for round in $(seq "$rounds"); do
    load before "$before" >"$work/before.$round"
    load after "$after" >"$work/after.$round"
    [ "$round" -gt 1 ] || continue
    paste -d' ' "$work/before.$round" "$work/after.$round" | awk '{printf "%-20s %9d → %9d  (%d %%)\n", $1, $2, $4, 100 * $4 / $2}'
done
