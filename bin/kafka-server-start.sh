#!/bin/sh
if [ $# -lt 1 ]; then
  echo "USAGE: $0 [-daemon] server.properties [--override property=value]*"
  exit 1
fi
exec "$(dirname "$0")/start.sh" kafkaServer broker "$@"
