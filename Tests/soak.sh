# shellcheck shell=bash
# What `./dev soak` does: faults on real processes, for as long as one likes.

# One kind of fault, for a while: runs its test, and adds what the test counted to the file. The test prints one line:
# `WHAT: N cycles, N confirmed publishes, N confirmed acks, …`.
soak_one() {
    local file=$1 filter=$2 began status=ok line log
    shift 2
    log=$(mktemp)
    began=$(date +%s)
    env "$@" swift test -c release --skip-build --disable-xctest --filter "$filter" >"$log" 2>&1 || status=FAILED
    while IFS= read -r line; do
        printf '%s\t%s\t%s\t%s\t%s\n' "$(date -u +%FT%TZ)" "$(git describe --always --dirty)" "$status" "$(($(date +%s) - began))" \
            "$(sed -E 's/^(.*): ([0-9]+) cycles, ([0-9]+) confirmed publishes, ([0-9]+) confirmed acks.*/\1\t\2\t\3\t\4/' <<<"$line")" >>"$file"
        echo "$line"
    done < <(grep -E '^[^:]+: [0-9]+ cycles, [0-9]+ confirmed publishes' "$log")
    if [ $status = FAILED ]; then
        printf '%s\t%s\tFAILED\t%s\t%s\t0\t0\t0\n' "$(date -u +%FT%TZ)" "$(git describe --always --dirty)" "$(($(date +%s) - began))" "$filter" >>"$file"
        cp "$log" ".build/soak-failure-$(date -u +%H%M%S).log"
        echo "FAILED: $filter; its output is in .build/soak-failure-*.log"
    fi
    rm -f "$log"
}

# Seeds of a part that were not simulated here before: the part, how many, operations of each. A seed counts as a cycle.
soak_simulation() {
    local file=$1 part=$2 seeds=$3 operations=$4 first began output status=ok what="simulated seeds"
    [ "$part" = broker ] || what="simulated seeds of $part"
    first=$((1000000 + $(awk -F '\t' -v what="$what" '$5 == what { n += $6 } END { print n + 0 }' "$file" 2>/dev/null || echo 0)))
    began=$(date +%s)
    output=$(.build/release/spindle simulate --part "$part" --seed "$first" --seeds "$seeds" --ops "$operations" --jobs "$(nproc)") || status=FAILED
    printf '%s\t%s\t%s\t%s\t%s\t%s\t0\t0\n' "$(date -u +%FT%TZ)" "$(git describe --always --dirty)" "$status" \
        "$(($(date +%s) - began))" "$what" "$seeds" >>"$file"
    if [ $status = FAILED ]; then echo "$output" | tee ".build/soak-failure-$(date -u +%H%M%S).log"; else tail -n 1 <<<"$output"; fi
}

# Everything that was ever counted here, by kind of fault and commit.
soak_table() {
    awk -F '\t' '{
        key = $5 "\t" $2
        if (!(key in runs)) order[++kinds] = key
        runs[key]++; cycles[key] += $6; published[key] += $7; acknowledged[key] += $8; seconds[key] += $4
        if ($3 != "ok") failed[key]++
    } END {
        printf "%-42s %-12s %6s %8s %12s %12s %8s %7s\n", "fault", "commit", "runs", "cycles", "confirmed", "acks", "seconds", "failed"
        for (i = 1; i <= kinds; i++) {
            split(order[i], part, "\t"); key = order[i]
            printf "%-42s %-12s %6d %8d %12d %12d %8d %7d\n", part[1], part[2], runs[key], cycles[key], published[key], acknowledged[key], seconds[key], failed[key]
        }
    }' "$1"
}

soak_broker() {
    soak_one "$1" 'KillTests/aConfirmedPublish' SPINDLE_BROKER_KILLS=500
    soak_one "$1" 'PowerLossTests/whatWasConfirmed' SPINDLE_POWER_SECONDS=60
    soak_one "$1" 'FailpointTests/everyPoint' SPINDLE_FAILPOINT_ROUNDS=3
    soak_one "$1" InjectionTests SPINDLE_INJECTION_ROUNDS=2
    soak_one "$1" StandstillTests SPINDLE_LONG_OUTAGE_SECONDS=17
    soak_one "$1" 'FullDiskTests|ReadOnlyDiskTests'
    soak_simulation "$1" broker 200 10000
}

soak_files() {
    soak_one "$1" 'FileFlowTests/theWebServerIsKilled' SPINDLE_UPLOAD_KILLS=200
    soak_one "$1" 'FileClientTests/tuspy' SPINDLE_TUSPY_KILLS=200
    soak_one "$1" 'FileClientTests/curlResumes' SPINDLE_DOWNLOAD_KILLS=200
    soak_one "$1" 'FilePowerLossTests/whatAnOffset' SPINDLE_UPLOAD_POWER_CUTS=60
    soak_one "$1" 'FileSizeTests/aFolder' SPINDLE_SMALL_FILES=5000
    soak_one "$1" LargeScanTests SPINDLE_LARGE_SCANS=1
    soak_simulation "$1" files 10000 300
}

# An hour of normal work in which nothing may be said to be wrong, and then faults that must be.
soak_health() {
    soak_one "$1" HealthCalmTests SPINDLE_HEALTH_SECONDS="${SPINDLE_HEALTH_SECONDS:-3600}"
    soak_one "$1" HealthFaultTests
}

soak_areas="broker files health"

# One area, or all of them, round after round for so many minutes; a round that has begun is ended. What was counted is kept in
# .build/soak.tsv, so that runs add up.
soak() {
    local file=.build/soak.tsv areas=$soak_areas end area
    if [ $# -gt 0 ] && [[ ! $1 =~ ^[0-9]+$ ]]; then
        [[ " $soak_areas " == *" $1 "* ]] || fail "There is no area '$1'; there are: $soak_areas."
        areas=$1
        shift
    fi
    [[ ${1:-60} =~ ^[0-9]+$ ]] || fail "'$1' is no number of minutes: ./dev soak files 60"
    end=$(($(date +%s) + 60 * ${1:-60}))
    while [ "$(date +%s)" -lt "$end" ]; do
        for area in $areas; do "soak_$area" $file; done
    done
    soak_table $file
}
