#!/bin/sh
exec "$(dirname "$0")/ottla.sh" consumer-perf-test "$@"
