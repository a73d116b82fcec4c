#!/bin/sh
# start.sh NAME COMMAND ARGUMENTS…: runs `ottla COMMAND ARGUMENTS…`, in the background after -daemon.
# The output of a daemon goes to NAME.out in $LOG_DIR, by default logs/ beside this folder, as Kafka's does.
# A daemon has a session of its own, so that a Ctrl-C in the terminal does not reach it.

bin=$(dirname "$0")
name=$1 command=$2
shift 2
if [ "${1:-}" != -daemon ]; then
  exec "$bin/ottla.sh" "$command" "$@"
fi
shift
logs=${LOG_DIR:-$bin/../logs}
mkdir -p "$logs" || exit 1
session=$(command -v setsid)
# shellcheck disable=SC2086 # nothing where there is no setsid
nohup $session "$bin/ottla.sh" "$command" "$@" >"$logs/$name.out" 2>&1 </dev/null &
