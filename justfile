# Portico's recipes. Each creates or updates the environment that it needs (`uv run` syncs it from
# uv.lock, with the system's Python); nothing has to be set up before the first one.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

run := "uv run --locked"
vectors := "tests/vectors/*.json"

# List the recipes
[private]
default:
    @"{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# Serve on http://127.0.0.1:8283; arguments go to `portico serve`
[group('run')]
[no-exit-message]
serve *ARGS:
    @exec {{ run }} portico serve "$@"

# Serve with the dev profile: restarts on a change of source, debug, console logs
[group('run')]
[no-exit-message]
dev *ARGS:
    @exec {{ run }} portico serve --profile dev "$@"

# Every vector and every test, browser included; arguments go to pytest
[group('test')]
test *ARGS: chromium
    {{ run }} python tests/vectors/run.py {{ vectors }}
    {{ run }} pytest "$@"

# The pure core alone: its vectors, its tests, its boundary; seconds, no sockets
[group('test')]
test-core *ARGS:
    {{ run }} python tests/vectors/run.py {{ vectors }}
    {{ run }} pytest tests/core tests/test_boundary.py tests/test_exports.py "$@"

# `test` with branch coverage, then the built wheel in empty environments
[group('test')]
test-all *ARGS: chromium
    {{ run }} python tests/vectors/run.py {{ vectors }}
    {{ run }} coverage erase
    {{ run }} coverage run -m pytest -m "not wheel or thorough" "$@"
    {{ run }} coverage combine --quiet
    {{ run }} coverage report --skip-covered --skip-empty
    {{ run }} pytest -m wheel

# One suite through the bare exchange, the three adapters and the three engines
[group('test')]
conformance *ARGS:
    {{ run }} pytest tests/conformance "$@"

# What the server survives, on real processes: every row, measured; `--write` for docs/faults.md
[group('test')]
faults *ARGS:
    {{ run }} python -m tests.faults "$@"

# Hostile and honest load for N minutes (10): no growth, no failure, probes in time
[group('test')]
soak *MINUTES:
    {{ run }} python -m tests.faults.soak "$@"

# The property tests with fifty times the examples, until one fails
[group('test')]
fuzz *ARGS:
    {{ run }} pytest --hypothesis-profile=fuzz -m hypothesis "$@"

# Everything that must hold before a change lands, but for the tests
[group('quality')]
check: lint types
    {{ run }} lint-imports
    {{ run }} python docs/generate.py --check
    {{ run }} pytest -m wheel
    {{ run }} python -m bench --smoke

# Lock file, lint and format, without changing a file
[group('quality')]
lint:
    uv lock --check
    {{ run }} ruff check
    {{ run }} ruff format --check

# Format and apply the safe fixes
[group('quality')]
fmt:
    {{ run }} ruff check --fix
    {{ run }} ruff format

# mypy, strict, on all three folders, the tests and the benchmarks
[group('quality')]
types:
    {{ run }} mypy

# The figures that the project promises, measured; `--quick`, `--write` for bench/README.md
[group('quality')]
bench *ARGS:
    {{ run }} python -m bench "$@"

# Write the generated pages of docs/ from the code
[group('build')]
docs:
    {{ run }} python docs/generate.py

# Build the wheel and the source distribution into dist/
[group('build')]
build:
    uv build --quiet --clear
    @ls dist

# The Debian package of Chromium, where no Chromium is installed
[private]
chromium:
    @bash tests/browser/install.sh
