#!/usr/bin/env bash
# The whole drivetrain on real data: one plan, one project, one served decision. Called by `make demo`.
set -euo pipefail
into=${1:?the folder in which to make the demo project}
port=${PORT:-8765}
step() { printf '\n\033[1m── %s\033[0m\n' "$*"; }

step "1. The plan becomes a project: drivetrain new --example mail-sorting"
drivetrain new --example mail-sorting -o "$into"
cd "$into/mail-sorting"

step "2. Its data: 1,797 handwritten digits that scikit-learn ships"
drivetrain sample

for name in check train decide audit review; do
  step "make $name"
  make --no-print-directory "$name"
done

step "The service answers one real letter"
python -m mail_sorting.serve --port "$port" &
service=$!
trap 'kill "$service" 2>/dev/null || true' EXIT
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
  kill -0 "$service" 2>/dev/null || wait "$service"   # it ended on its own: its message is above, its exit code ours
  sleep 0.2
done
python -m mail_sorting.client --url "http://127.0.0.1:$port" "$(find data/letters/7 -name '*.png' | sort | head -n 1)"
kill "$service"
wait "$service" 2>/dev/null || true
trap - EXIT

step "What each policy is worth"
python -m mail_sorting.decide --last

printf '\nLook at:\n'
printf '  %s\n' "$into/mail-sorting/README.md" "$into/mail-sorting/review.html" "$into/mail-sorting/evidence/" "$into/mail-sorting/docs/onboarding.md"
