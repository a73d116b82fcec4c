#!/bin/sh
# Finds the ottla binary and runs it: $OTTLA, else what cargo built beside this folder, else the PATH.
# The other scripts here have Kafka's names and call this one.

here=$(cd "$(dirname "$0")" && pwd) || exit 1
for ottla in "${OTTLA:-}" "$here/../target/release/ottla" "$here/../target/debug/ottla" "$(command -v ottla)"; do
  if [ -n "$ottla" ] && [ -x "$ottla" ]; then
    exec "$ottla" "$@"
  fi
done
echo "There is no ottla binary yet. Type: cargo build --release" >&2
exit 1
