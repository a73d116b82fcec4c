#!/bin/sh
# stop.sh NAME PATTERN: sends SIGTERM (or $SIGNAL) to this user's processes whose command line matches PATTERN.
# A process that only mentions the pattern, such as an editor, is not meant: the pattern begins with the program.

name=$1 pattern=$2
pids=$(ps -u "$(id -u)" -o pid= -o args= | awk -v self="$$" -v pattern="$pattern" '
  { pid = $1; sub(/^ *[0-9]+ +/, ""); if (pid != self && $0 ~ pattern) print pid }')
if [ -z "$pids" ]; then
  echo "No $name server to stop"
  exit 1
fi
# shellcheck disable=SC2086 # one word per process
kill -s "${SIGNAL:-TERM}" $pids
