#!/usr/bin/env bash
# What a backlog costs those who publish: two brokers by turns on the same disk, one with a backlog and one without.
#   Benchmarks/backlog-publish.sh SPINDLE WORKDIR [MESSAGES] [ROUNDS]
# First both logs grow. Then what is published is purged at once, so that the broker without a backlog writes to segments that it has
# written before, while the other's log goes on growing: nothing behind the backlog's first message can be freed.
# On a virtual machine fill the page cache first (docs/performance.md): memory that the host has yet to supply is slow.
set -euo pipefail
spindle=$1 work=$2 messages=${3:-10000000} rounds=${4:-7}
port=${PORT_BASE:-17500}
pids=()
trap '[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}"' EXIT

rm -rf "$work"
mkdir -p "$work"
for broker in 0 1; do
    "$spindle" broker --data "$work/$broker" --port-base $((port + 100 * broker)) >"$work/$broker.log" 2>&1 &
    pids+=($!)
done
for broker in 0 1; do
    until curl -sf "http://127.0.0.1:$((port + 100 * broker + 3))/readyz" >/dev/null; do
        kill -0 "${pids[broker]}" || { tail -n 5 "$work/$broker.log"; exit 1; }
        sleep 0.02
    done
done

at() { echo --data "$work/$1" --port-base $((port + 100 * $1)); }
publish() { # BROKER QUEUE MESSAGES: messages a second
    # shellcheck disable=SC2046 # options
    "$spindle" bench publish --size 128 --count "$3" --batch 500 --window 32 --queue "$2" $(at "$1") --json |
        sed -E 's/.*"messages_per_second":([0-9]+).*/\1/'
}
purge() { # BROKER QUEUE
    # shellcheck disable=SC2046 # options
    "$spindle" queue purge "$2" --yes $(at "$1") >/dev/null
}
compare() { # NAME PURGES: publishes to both by turns, and prints the median of the rounds' ratios
    local ratios=() round name empty full
    for round in $(seq "$rounds"); do
        name=$1-$round
        empty=$(publish 0 "$name" 1000000)
        if "$2"; then purge 0 "$name"; fi
        full=$(publish 1 "$name" 1000000)
        if "$2"; then purge 1 "$name"; fi
        ratios+=($((100 * full / empty)))
        echo "  $empty/s without, $full/s with $messages waiting: ${ratios[-1]} %"
    done
    echo "$1: $(printf '%s\n' "${ratios[@]}" | sort -n | sed -n "$((rounds / 2 + 1))p") % in the median of $rounds rounds"
}

publish 0 warm 1000000 >/dev/null
purge 0 warm
publish 1 backlog "$messages" >/dev/null
compare growing false
for round in $(seq "$rounds"); do purge 0 "growing-$round"; done
compare purged true
