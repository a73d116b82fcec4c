#!/bin/sh
exec "$(dirname "$0")/ottla.sh" broker-api-versions "$@"
