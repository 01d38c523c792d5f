#!/usr/bin/env bash
# Whether the Freshet of this container answers at /healthz: its probes are at FRESHET_HTTP_OPS where that is set. Nothing else
# in the image speaks HTTP.
address=${FRESHET_HTTP_OPS:-$FRESHET_HTTP}
exec 3<>/dev/tcp/127.0.0.1/"${address##*:}" || exit 1
printf 'GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&3
grep -q '^HTTP/1.. 200' <&3
