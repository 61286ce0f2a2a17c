#!/bin/sh
# Options alone, or a command: `redis-server` is meant unless something else is named. Root steps down to redis.
set -e

case "${1:-}" in
    -* | *.conf) set -- redis-server "$@" ;;
esac
if [ "${1:-}" = redis-server ]; then
    set -- "$@" --bind 0.0.0.0 --protected-mode no --save '' --dir "${REDIS_DATA:-/data}"
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid redis --regid redis --init-groups "$@"
    fi
fi
exec "$@"
