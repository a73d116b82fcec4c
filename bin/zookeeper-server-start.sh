#!/bin/sh
if [ $# -lt 1 ]; then
  echo "USAGE: $0 [-daemon] zookeeper.properties"
  exit 1
fi
exec "$(dirname "$0")/start.sh" zookeeper zookeeper "$@"
