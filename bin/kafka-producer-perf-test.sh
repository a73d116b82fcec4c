#!/bin/sh
exec "$(dirname "$0")/ottla.sh" producer-perf-test "$@"
