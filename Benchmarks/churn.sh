#!/usr/bin/env bash
# What the log takes on disk where a little stays of much that goes through: a backlog that is spread over all of the log.
#   Benchmarks/churn.sh SPINDLE WORKDIR [ROUNDS]
# Each round publishes 50,000 messages of 1 KiB, leases and acknowledges them, and leaves 2,500 further ones in another queue.
set -euo pipefail
spindle=$1 work=$2 rounds=${3:-60}
port=${PORT_BASE:-17500}

rm -rf "$work"
mkdir -p "$work"
"$spindle" broker --data "$work/data" --port-base "$port" >"$work/broker.log" 2>&1 &
broker=$!
trap 'kill "$broker"' EXIT
until curl -sf "http://127.0.0.1:$((port + 3))/readyz" >/dev/null; do
    kill -0 "$broker" || { tail -n 5 "$work/broker.log"; exit 1; }
    sleep 0.02
done

metric() { curl -s "http://127.0.0.1:$((port + 3))/metrics" | awk -v name="$1" '$1 == name {printf "%.0f\n", $2}'; }
bench() { "$spindle" bench "$@" --size 1024 --data "$work/data" --port-base "$port" --json >/dev/null; }
files() { du -cm "$work"/data/broker/log | awk 'END {print $1}'; }

printf '%8s %12s %12s %12s %12s %12s\n' round "through MB" "live MB" "log MB" "files MB" "moved MB"
for round in $(seq "$rounds"); do
    bench publish --count 2500 --batch 100 --queue stays
    bench lease --count 50000 --batch 500 --window 8 --queue passes
    if [ $((round % 5)) = 0 ]; then
        printf '%8d %12d %12d %12d %12d %12d\n' "$round" $((round * 52500 / 1024)) $(($(metric spindle_log_live_bytes) >> 20)) \
            $(($(metric spindle_log_bytes) >> 20)) "$(files)" $(($(metric spindle_log_moved_bytes_total) >> 20))
    fi
done
