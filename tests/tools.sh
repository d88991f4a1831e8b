#!/usr/bin/env bash
# What the rest of `make test-all` needs beside pip: real servers and a browser from Debian, its judges from npm.
# What is there already is left alone.
set -euo pipefail
missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
command -v chromium >/dev/null || missing+=(chromium)
command -v chromedriver >/dev/null || missing+=(chromium-driver)
command -v npm >/dev/null || missing+=(npm)
if [ ${#missing[@]} -gt 0 ]; then
  echo "Installing with apt: ${missing[*]}" >&2
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
  if ! { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"; } >/dev/null; then
    echo "make test-rest needs ${missing[*]}, and could not install it. Install it, then run this again." >&2
    exit 2
  fi
fi
browser="$(dirname "$0")/browser"
if [ ! "$browser/node_modules/.package-lock.json" -nt "$browser/package.json" ]; then
  npm install --prefix "$browser" --no-audit --no-fund --no-package-lock --ignore-scripts --silent
fi
