#!/usr/bin/env bash
# Clones this repository into an empty folder and runs `npm run demo` and `npm test` there as a newcomer would: an empty home, and a
# PATH with everything of this machine but pnpm, turbo, Ninja and a CUDA compiler. Prints the time that each takes.
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/home"
for folder in /usr/local/bin /usr/bin /bin; do
  for file in "$folder"/*; do
    name=$(basename "$file")
    case $name in pnpm* | pnpx | turbo | ninja* | nvcc) continue ;; esac
    [ -e "$work/bin/$name" ] || ln -s "$file" "$work/bin/$name"
  done
done
[ -f "$HOME/.npmrc" ] && cp "$HOME/.npmrc" "$work/home/.npmrc" # which registry this machine uses
git clone --quiet "$source" "$work/clone"
cd "$work/clone"
clean() { env -i HOME="$work/home" PATH="$work/bin" TERM=dumb CI=true "$@"; }
for script in demo test; do
  start=$(date +%s)
  if clean npm run --silent "$script" > "$work/$script.log" 2>&1; then status=passed; else status=FAILED; fi
  tail -n 2 "$work/$script.log"
  echo "npm run $script: $status after $(($(date +%s) - start)) s"
  [ "$status" = passed ] || { tail -n 60 "$work/$script.log"; exit 1; }
done
