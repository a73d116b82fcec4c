#!/bin/sh
exec "$(dirname "$0")/stop.sh" kafka '^([^ ]*/)?ottla broker '
