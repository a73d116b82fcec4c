#!/bin/sh
# start.sh NAME COMMAND ARGUMENTS…: runs `ottla COMMAND ARGUMENTS…`, in the background after -daemon.
# The output of a daemon goes to NAME.out in $LOG_DIR, by default logs/ beside this folder, as Kafka's does.

bin=$(dirname "$0")
name=$1 command=$2
shift 2
if [ "${1:-}" != -daemon ]; then
  exec "$bin/ottla.sh" "$command" "$@"
fi
shift
logs=${LOG_DIR:-$bin/../logs}
mkdir -p "$logs" || exit 1
nohup "$bin/ottla.sh" "$command" "$@" >"$logs/$name.out" 2>&1 </dev/null &
