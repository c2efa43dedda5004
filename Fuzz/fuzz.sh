# shellcheck shell=bash
# What `./dev fuzz`, `fuzz-repeat` and `fuzz-keep` do; `dev` has `install_packages`, `need_swift` and `fail`.

fuzz_core=(frames record session log replay checkpoint pattern policy filter)
fuzz_edges=(lz4 configuration path token cursor events envelope)
fuzz_folder=.build-fuzz

fuzz_product() {
    case " ${fuzz_core[*]} " in *" $1 "*) echo fuzz-core && return ;; esac
    case " ${fuzz_edges[*]} " in *" $1 "*) echo fuzz-edges && return ;; esac
    fail "there is no fuzz target '$1'; there are: ${fuzz_core[*]} ${fuzz_edges[*]}"
}

# Builds the fuzzers of the targets that are given, with libFuzzer, which is part of Swift's toolchain.
fuzz_build() {
    local products=() product target
    for target in "$@"; do
        product=$(fuzz_product "$target")
        case " ${products[*]} " in *" $product "*) ;; *) products+=("$product") ;; esac
    done
    install_packages "${build_packages[@]}"
    need_swift
    for product in "${products[@]}"; do
        echo "building $product (the first time takes several minutes)"
        SPINDLE_FUZZ=1 swift build -c release --scratch-path "$fuzz_folder" --sanitize fuzzer --product "$product"
    done
}

# Runs the fuzzer of target $1 with the options behind it.
fuzz_run() {
    local target=$1 product
    product=$(fuzz_product "$target")
    shift
    # Swift's own handler would end the process before libFuzzer keeps the input. Large blocks are not given back to the system
    # after each input: that alone would take most of the time.
    SWIFT_BACKTRACE=enable=no MALLOC_MMAP_THRESHOLD_=1000000000 MALLOC_TRIM_THRESHOLD_=1000000000 SPINDLE_FUZZ_TARGET="$target" \
        "$fuzz_folder/release/$product" -rss_limit_mb=1024 -timeout=10 "$@"
}

# The corpus of target $1 as files: what is in the repository, what earlier runs on this machine found, and fresh seeds.
fuzz_corpus() {
    local target=$1 folder="$fuzz_folder/corpus/$1" line number=0
    mkdir -p "$folder" "$fuzz_folder/crashes"
    if [ -f "Fuzz/Corpus/$target.txt" ]; then
        while read -r line; do
            number=$((number + 1))
            base64 -d <<<"$line" >"$folder/kept-$number"
        done <"Fuzz/Corpus/$target.txt"
    fi
    SPINDLE_FUZZ_SEEDS="$folder" fuzz_run "$target" -runs=0 >/dev/null 2>&1 || true
    if command -v python3 >/dev/null; then python3 Fuzz/seeds.py "$fuzz_folder/corpus"; fi
}

# Runs targets for some seconds each, and ends with a table.
fuzz() {
    local targets=("${fuzz_core[@]}" "${fuzz_edges[@]}") seconds=60 target log table="" failed=0 folders
    if [ $# -gt 0 ] && [[ $1 != [0-9]* ]]; then IFS=, read -ra targets <<<"$1" && shift; fi
    if [ $# -gt 0 ]; then seconds=$1; fi
    fuzz_build "${targets[@]}"
    for target in "${targets[@]}"; do
        fuzz_corpus "$target"
        folders=("$fuzz_folder/corpus/$target")
        if [ -d "Fuzz/Regressions/$target" ]; then folders+=("Fuzz/Regressions/$target"); fi
        log="$fuzz_folder/$target.log"
        echo "── $target, $seconds s"
        fuzz_run "$target" -max_total_time="$seconds" -max_len=8192 -print_final_stats=1 -artifact_prefix="$fuzz_folder/crashes/$target-" \
            "${folders[@]}" >"$log" 2>&1 || failed=$((failed + 1))
        table+=$(awk -v target="$target" '
            /INITED/ { for (i = 1; i < NF; i++) if ($i == "cov:") first = $(i + 1) }
            / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") last = $(i + 1) }
            /stat::number_of_executed_units/ { count = $2 }
            /Test unit written to/ { file = $NF; crashes++ }
            /ERROR: libFuzzer/ { what = $0; sub(/.*libFuzzer: /, "", what) }
            END {
                printf "%-14s %14d %8d %8d %8d\n", target, count, last, last - first, crashes
                if (crashes) printf "    %s: ./dev fuzz-repeat %s %s\n", what, target, file
            }' "$log")$'\n'
    done
    printf '\n%-14s %14s %8s %8s %8s\n%s' target executions edges new crashes "$table"
    if [ "$failed" -gt 0 ]; then fail "" "$failed of ${#targets[@]} targets found something; their output is in $fuzz_folder/TARGET.log"; fi
}

# Runs one input of a target, and shows where it ends.
fuzz_repeat() {
    [ $# -eq 2 ] || fail "./dev fuzz-repeat TARGET FILE"
    fuzz_build "$1"
    SWIFT_BACKTRACE=enable=yes,color=no SPINDLE_FUZZ_TARGET="$1" "$fuzz_folder/release/$(fuzz_product "$1")" -handle_ill=0 -handle_trap=0 -handle_segv=0 "$2"
}

# Puts the inputs that reach most into the repository: at most 100 a target, the small ones first.
fuzz_keep() {
    local target merged file
    if [ $# -eq 0 ]; then set -- "${fuzz_core[@]}" "${fuzz_edges[@]}"; fi
    for target in "$@"; do
        merged="$fuzz_folder/merged/$target"
        rm -rf "$merged"
        mkdir -p "$merged"
        fuzz_run "$target" -merge=1 -max_len=600 "$merged" "$fuzz_folder/corpus/$target" >/dev/null 2>&1
        # Spread over all sizes, so that the rich ones are among them.
        find "$merged" -type f -printf '%s %p\n' | sort -n | awk '{ line[NR] = $2 } END { step = NR > 100 ? NR / 100 : 1; for (i = 1; i <= NR; i += step) print line[int(i)] }' \
            | while read -r file; do base64 -w 0 "$file" && echo; done >"Fuzz/Corpus/$target.txt"
        echo "$target: $(wc -l <"Fuzz/Corpus/$target.txt") inputs, $(wc -c <"Fuzz/Corpus/$target.txt") bytes"
    done
}
