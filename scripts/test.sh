#!/usr/bin/env bash
# All tests. Brings Chromium in on Debian as root; elsewhere says how to. With CI=true nothing but GPU tests may be skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing Chromium and a Chinese font for the browser tests"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null
  else
    echo "Chromium is missing: browser tests will be skipped. To run them: sudo apt-get install chromium fonts-noto-cjk"
  fi
fi
exec .venv/bin/python -m pytest "$@"
