#!/usr/bin/env bash
# Two builds side by side: the same loads on each alternately, so that what the machine does otherwise hits both.
#   Benchmarks/compare.sh SPINDLE_BEFORE SPINDLE_AFTER WORKDIR [ROUNDS]
# For each load the median of both builds, the range of the first build over the rounds (the noise), and the ratio of the medians.
# Rates are messages a second, times are microseconds. Round 0 warms the disk up and does not count.
set -euo pipefail
before=$1 after=$2 work=$3 rounds=${4:-5}
port=${PORT_BASE:-17700}
broker_pid=
trap '[ -z "$broker_pid" ] || kill -9 "$broker_pid"' EXIT
bench() { # JSON_KEY BENCH_OPTION…
    local key=$1
    shift
    "$spindle" bench "$@" --data "$data" --port-base "$port" --json | sed -E "s/.*\"$key\":([0-9.]+).*/\1/"
}
load() { # ROUND NAME SPINDLE
    spindle=$3 data=$work/$2
    rm -rf "$data"
    mkdir -p "$data"
    "$spindle" broker --data "$data" --port-base "$port" >"$work/$2.log" 2>&1 &
    broker_pid=$!
    until curl -sf "http://127.0.0.1:$((port + 3))/readyz" >/dev/null; do
        kill -0 "$broker_pid" || { tail -n 5 "$work/$2.log"; exit 1; }
        sleep 0.02
    done
    note() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$work/figures.tsv"; }
    bench messages_per_second publish --size 128 --count 300000 --batch 500 --window 32 --queue warm >/dev/null
    note "$1" "$2" "publish 128 B, 500 in a request" "$(bench messages_per_second publish --size 128 --count 1000000 --batch 500 --window 32 --queue a)"
    note "$1" "$2" "publish 1 KiB, 200 in a request" "$(bench messages_per_second publish --size 1024 --count 200000 --batch 200 --window 32 --queue b)"
    note "$1" "$2" "publish 128 B, one in a request" "$(bench messages_per_second publish --size 128 --count 200000 --batch 1 --window 1000 --queue c)"
    note "$1" "$2" "publish 1 KiB, one in a request" "$(bench messages_per_second publish --size 1024 --count 100000 --batch 1 --window 1000 --queue d)"
    note "$1" "$2" "lease and ack 128 B, 500 in a request" "$(bench messages_per_second lease --size 128 --count 500000 --batch 500 --window 16 --queue e)"
    note "$1" "$2" "lease and ack 1 KiB, 200 in a request" "$(bench messages_per_second lease --size 1024 --count 200000 --batch 200 --window 16 --queue f)"
    note "$1" "$2" "round trip 1 KiB, p50 µs" "$(bench p50_us rtt --size 1024 --count 10000 --queue g)"
    note "$1" "$2" "delivery 128 B, p50 µs" "$(bench p50_us delivery --size 128 --count 4000 --queue h)"
    kill -TERM "$broker_pid"
    wait "$broker_pid" 2>/dev/null || true
    broker_pid=
    rm -rf "$data"
}
mkdir -p "$work"
rm -f "$work/figures.tsv"
for round in $(seq 0 "$rounds"); do
    # Each is the first in every other round.
    if [ $((round % 2)) -eq 0 ]; then order="before after"; else order="after before"; fi
    for name in $order; do load "$round" "$name" "${!name}"; done
done
sort -t $'\t' -k4,4n "$work/figures.tsv" | awk -F '\t' '
    $1 == 0 { next }
    { key = $2 SUBSEP $3; value[key, ++count[key]] = $4; if (!($3 in seen)) { seen[$3]; } }
    function median(key,  n) { n = count[key]; return n % 2 ? value[key, (n + 1) / 2] : (value[key, n / 2] + value[key, n / 2 + 1]) / 2 }
    END {
        printf "%-40s %12s %25s %12s %7s\n", "load", "before", "before, min to max", "after", "ratio"
        for (name in seen) {
            key = "before" SUBSEP name; other = "after" SUBSEP name
            printf "%-40s %12.0f %12.0f–%-12.0f %12.0f %5.0f %%\n", name, median(key), value[key, 1], value[key, count[key]], median(other), 100 * median(other) / median(key)
        }
    }' | (IFS= read -r head; echo "$head"; sort)
