#!/bin/sh
exec "$(dirname "$0")/stop.sh" zookeeper '^[^ ]*java .* -Dottla\.zookeeper=true '
