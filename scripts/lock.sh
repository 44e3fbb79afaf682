#!/usr/bin/env bash
# Resolves requirements/*.in into the two exclusive locks: with FAISS for the CPU, and with FAISS for the GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
for device in cpu gpu; do
  .venv/bin/uv pip compile "requirements/faiss-$device.in" requirements/base.in requirements/dev.in \
    --python-version 3.10 --python-platform x86_64-unknown-linux-gnu --override requirements/overrides.txt \
    --generate-hashes --no-emit-index-url --no-header --quiet --output-file "requirements/lock-$device.txt"
  echo "requirements/lock-$device.txt: $(grep -c '==' "requirements/lock-$device.txt") packages"
done
