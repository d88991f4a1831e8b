#!/usr/bin/env bash
# Debian packages that the rest of `make test-all` needs: real servers. What is there already is left alone.
set -euo pipefail
missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
[ ${#missing[@]} -eq 0 ] && exit 0
echo "Installing with apt: ${missing[*]}" >&2
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
if ! { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"; } >/dev/null; then
  echo "make test-rest needs ${missing[*]}, and could not install it. Install it, then run this again." >&2
  exit 2
fi
