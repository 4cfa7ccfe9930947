# Developer commands. `just` without arguments lists them.

[private]
default:
    @just --list

# Format the code.
format:
    cargo fmt --all

# What a change must pass, without the tests.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy -p millrun --no-default-features -- -D warnings
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

# The tests; further words go to cargo, for example `just test -p millrun-event`.
test *WORDS='--workspace':
    cargo test {{ WORDS }}

# Ten times as many random schedules of the engine's decisions as the tests play (15 minutes of processor time).
schedules COUNT='10000000':
    SERVERENGINE_SCHEDULES={{ COUNT }} cargo test -p serverengine --lib a_million_random -- --nocapture

# Exactly what the gate runs; installs what the tests speak with.
ci:
    .ci/run

# Licences, advisories, banned crates and sources (needs cargo-deny).
deny:
    cargo deny check

# The README's first command.
quickstart:
    cargo run --release -- -c examples/quickstart.conf

# Judge millrun by what was recorded of Fluentd, for example `just conformance --kind routing`.
conformance *WORDS:
    cargo run --release -p conformance -- {{ WORDS }}

# Forget what the quick start read and wrote.
fresh:
    rm -rf examples/run
    git checkout -- examples/access.log

# Speed beside rsyslog (needs rsyslog), for example `just bench --lines 1000000`.
bench *WORDS:
    bench/run {{ WORDS }}

# Make examples/access.log anew (needs nginx and wrk).
access-log:
    examples/access-log/make
