#!/usr/bin/env bash
# Installs Debian's Chromium where there is none: the browser tests start it headless.
set -euo pipefail

command -v chromium > /dev/null && exit 0

if ! command -v apt-get > /dev/null; then
    echo "the browser tests need 'chromium' on PATH, and there is no apt-get here to install it" >&2
    exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo > /dev/null; then
        echo "the browser tests need Chromium: run 'apt-get install chromium' as root" >&2
        exit 1
    fi
    as_root=(sudo)
fi

echo "installing Debian's chromium for the browser tests"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq < /dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq --yes --no-install-recommends chromium < /dev/null > /dev/null
