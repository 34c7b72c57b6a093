# Short names; the work is in xtask.
default:
    @just --list
test *args:
    cargo xtask test {{args}}
crash *args:
    cargo xtask crash {{args}}
fuzz *args:
    cargo xtask fuzz {{args}}
schemathesis *args:
    cargo xtask schemathesis {{args}}
ci:
    cargo xtask ci
gen *args:
    cargo xtask gen {{args}}
tidy:
    cargo xtask tidy
fmt:
    cargo fmt --all
lint:
    cargo clippy --workspace --all-targets -- -D warnings
deny:
    cargo deny check bans licenses sources
postgres:
    cargo xtask postgres
run *args:
    cargo run -- {{args}}
