# Planted bugs: a copy of the core and the simulator with every patch of this folder in it, built once; one bug is active at a time.
# Sourced by ./dev, and run by HouseStyleTests with the argument `check`. See docs/HACKING.md.

planted_patches=Tests/PlantedBugs
planted_scratch=.build-planted

planted_fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# Lays the copy out in the folder $1, which must not exist: sources, patches, the enum of bugs, and a manifest.
planted_lay_out() {
    local tree=$1 patch name file
    mkdir -p "$tree/Sources" "$tree/Tests"
    cp -R Sources/C Sources/Core Sources/Proof "$tree/Sources/"
    mkdir "$tree/Sources/Domain"
    cp -R Sources/Domain/ContentStore Sources/Domain/Digests "$tree/Sources/Domain/"
    cp -R "$planted_patches/Runner" "$tree/Tests/"
    # Tests that find bugs which the other checks can't find.
    for name in $(planted_test_targets); do cp -R "Tests/$name" "$tree/Tests/"; done
    cp -R Tests/Fixtures "$tree/Tests/"
    cp "$planted_patches/Package.swift" "$tree/"
    # SwiftPM reads a manifest again only where its text changed.
    planted_test_targets | sed 's|^|// With |' >>"$tree/Package.swift"
    for patch in "$planted_patches"/*.patch; do
        name=$(basename "$patch" .patch)
        # Git must not take the copy for a part of this repository.
        if ! (cd "$tree" && GIT_CEILING_DIRECTORIES=$(dirname "$PWD") git apply --whitespace=nowarn -) <"$patch"; then
            planted_fail "The planted bug $patch no longer applies to the sources." \
                "Refresh it: commit your change, then './dev planted-bugs edit $name', resolve what conflicts," \
                "and './dev planted-bugs keep $name'. docs/HACKING.md has more."
        fi
        grep -rqF "PlantedBug.active" "$tree/Sources" && grep -rqE "\.$name\b" "$tree/Sources" \
            || planted_fail "$patch plants nothing: no line asks for 'PlantedBug.active == .$name'."
        grep -qE '^Bug: .+' "$patch" && grep -qE '^Shipped by: .+' "$patch" \
            || planted_fail "$patch does not begin with 'Bug: …' and 'Shipped by: …'."
    done
    # Each patched file imports the enum; a line in each patch would make patches of one file conflict.
    grep -rl 'PlantedBug\.active' "$tree/Sources" | while read -r file; do sed -i '1i internal import PlantedBugs' "$file"; done
    mkdir -p "$tree/Sources/PlantedBugs"
    planted_enum >"$tree/Sources/PlantedBugs/PlantedBug.swift"
}

# The test targets that patches name.
planted_test_targets() {
    sed -n 's/^Test: *\([A-Za-z0-9]*\)\..*/\1/p' "$planted_patches"/*.patch | sort -u
}

# Writes the enum: a case for each patch.
planted_enum() {
    local patch
    cat <<'SWIFT'
import Glibc

package enum PlantedBug: String, CaseIterable, Sendable {
    /// The bug that is active; nil: none. Set before a run begins, by the one thread that runs it; for a test, by the environment.
    package nonisolated(unsafe) static var active = getenv("SPINDLE_PLANTED_BUG").flatMap { PlantedBug(rawValue: String(cString: $0)) }

SWIFT
    for patch in "$planted_patches"/*.patch; do echo "    case $(basename "$patch" .patch)"; done
    printf '\n    package var what: String {\n        switch self {\n'
    for patch in "$planted_patches"/*.patch; do
        echo "        case .$(basename "$patch" .patch): #\"$(planted_header Bug "$patch") ($(planted_header 'Shipped by' "$patch"))\"#"
    done
    printf '        }\n    }\n\n    /// The tests that find it, if it is one that only tests find.\n    package var test: String? {\n        switch self {\n'
    for patch in "$planted_patches"/*.patch; do
        if grep -q '^Test: ' "$patch"; then echo "        case .$(basename "$patch" .patch): #\"$(planted_header Test "$patch")\"#"; fi
    done
    printf '        default: nil\n        }\n    }\n\n    /// A bug of the store of files, which the simulation of files finds.\n    package var isOfFiles: Bool {\n        switch self {\n'
    for patch in "$planted_patches"/*.patch; do
        if grep -q '^Part: files' "$patch"; then echo "        case .$(basename "$patch" .patch): true"; fi
    done
    printf '        default: false\n        }\n    }\n}\n'
}

# The text of the header line $1 of a patch.
planted_header() {
    sed -n "s/^$1: *//p;/^diff /q" "$2" | head -n 1
}

# Makes $2 equal to $1. Files that are equal already keep their times, and are not compiled again.
planted_mirror() {
    local file
    (cd "$1" && find . -type f) | while read -r file; do
        cmp -s "$1/$file" "$2/$file" && continue
        mkdir -p "$(dirname "$2/$file")"
        cp "$1/$file" "$2/$file"
    done
    (cd "$2" && find Sources Tests -type f) | while read -r file; do [ -e "$1/$file" ] || rm "$2/$file"; done
}

planted_build() {
    mkdir -p "$planted_scratch/tree"
    rm -rf "$planted_scratch/new"
    planted_lay_out "$planted_scratch/new"
    planted_mirror "$planted_scratch/new" "$planted_scratch/tree"
    # The versions that everything else was built with.
    if [ -e Package.resolved ] && [ ! -e "$planted_scratch/tree/Package.resolved" ]; then cp Package.resolved "$planted_scratch/tree/"; fi
    swift build -c release --package-path "$planted_scratch/tree" --scratch-path "$planted_scratch" --build-tests
}

# Puts a bug into the sources, to be changed there.
planted_edit() {
    local patch=$planted_patches/$1.patch
    [ -e "$patch" ] || planted_fail "There is no $patch."
    git diff --quiet HEAD -- Sources || planted_fail "Sources has changes that are not committed; commit or stash them first."
    if ! git apply --3way "$patch"; then echo "Resolve the conflicts in Sources, then './dev planted-bugs keep $1'." >&2; fi
    git reset -q -- Sources
}

# Makes what has changed in the sources a bug's patch, and takes it out of the sources.
planted_keep() {
    local patch=$planted_patches/$1.patch header
    git diff --quiet HEAD -- Sources && planted_fail "Sources has no change that could become $patch."
    if [ -e "$patch" ]; then
        header=$(sed '/^diff /,$d' "$patch")
    else
        header=$(printf 'Bug: %s\nShipped by: %s' "${2:?what the bug does, as a sentence}" "${3:?the system that shipped it, or ours}")
        if [ -n "${4:-}" ]; then header+=$(printf '\nTest: %s' "$4"); fi
    fi
    # One line of context: bugs may be neighbours.
    { printf '%s\n\n' "$header" && git diff --no-color -U1 HEAD -- Sources; } >"$patch.new"
    mv "$patch.new" "$patch"
    git checkout -q HEAD -- Sources
    echo "$patch"
}

# Exits with 0 if every patch applies.
planted_check() {
    local scratch
    scratch=$(mktemp -d)
    # shellcheck disable=SC2064 # the name as it is now
    trap "rm -rf '$scratch'" EXIT
    planted_lay_out "$scratch/tree"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    cd "$(dirname "$0")/../.."
    [ "${1:-}" = check ] || planted_fail "usage: planted-bugs.sh check"
    planted_check
fi
