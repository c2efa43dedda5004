#!/usr/bin/env bash
# What a backlog costs: memory, start after kill -9 to the first delivery. backlog-publish.sh has what it costs those who publish.
#   Benchmarks/backlog.sh SPINDLE WORKDIR [MESSAGES] [SIZE]
# SPINDLE: the release executable. WORKDIR: a directory on the disk that matters; it is made and left for a look.
set -euo pipefail
spindle=$1 work=$2 messages=${3:-10000000} size=${4:-128}
port=${PORT_BASE:-17500}
broker_pid=

start() { # DIR: starts a broker and waits until it is ready
    mkdir -p "$1"
    "$spindle" broker --data "$1" --port-base "$port" >>"$1.log" 2>&1 &
    broker_pid=$!
    until curl -sf "http://127.0.0.1:$((port + 3))/readyz" >/dev/null; do
        kill -0 "$broker_pid" || { tail -n 5 "$1.log"; exit 1; }
        sleep 0.02
    done
}
stop() { kill "-$1" "$broker_pid" && { wait "$broker_pid" 2>/dev/null || true; }; broker_pid=; }
trap '[ -z "$broker_pid" ] || kill -9 "$broker_pid"' EXIT
memory() { awk '/VmRSS|VmHWM|RssAnon/ {printf "%s %d MB  ", $1, $2 / 1024} END {print ""}' "/proc/$broker_pid/status"; }
metric() { curl -s "http://127.0.0.1:$((port + 3))/metrics" | awk -v name="$1" '$1 == name {print $2}'; }
bench() { "$spindle" bench "$@" --data "$data" --port-base "$port" --json | sed -E 's/.*"messages_per_second":([0-9.]+).*"p99_us":([0-9]+).*/\1 messages\/s, p99 \2 µs/'; }
publish() { bench publish --size "$size" --count "$1" --batch 500 --window 32 --queue "$2"; }
# So that nothing waits but what the line says.
purge() { for queue in "$@"; do "$spindle" queue purge "$queue" --yes --data "$data" --port-base "$port" >/dev/null; done; }

rm -rf "$work"
mkdir -p "$work"
data=$work/full
start "$data"
echo "memory, empty:          $(memory)"
publish 1000000 warm >/dev/null
purge warm
echo "filling $messages × $size B: $(publish "$messages" bench)"
echo "memory after filling:   $(memory)"
for round in 1 2 3; do
    echo "publish, $messages waiting: $(publish 1000000 "other$round")"
    purge "other$round"
done
echo "lease, $messages waiting:   $(bench lease --size "$size" --count 500000 --batch 500 --window 16 --queue other4)"
echo "memory after load:      $(memory)"
echo "checkpoint:             $(metric spindle_log_checkpoint_bytes) bytes, taken in $(metric spindle_log_checkpoint_pause_nanoseconds) ns"
echo "log:                    $(metric spindle_log_bytes) bytes, live $(metric spindle_log_live_bytes)"
# The more was logged since the last checkpoint, the longer a start takes: from just behind one to just before the next.
for round in $(seq 13); do
    stop 9
    began=$(date +%s%N)
    start "$data"
    ready=$(date +%s%N)
    "$spindle" message lease bench --wait 10s --data "$data" --port-base "$port" --json >/dev/null
    leased=$(date +%s%N)
    replayed=$(grep -h 'log recovered' "$data.log" | tail -n 1 | sed -E 's/.*"bytes":"([0-9]+)".*/\1/')
    echo "start after kill -9:    ready after $(((ready - began) / 1000000)) ms, first delivery after $(((leased - began) / 1000000)) ms (with the client's own start), $((replayed >> 20)) MB replayed"
    if [ "$round" = 1 ]; then echo "memory after the start: $(memory)"; fi
    publish 150000 more >/dev/null
done
stop TERM
