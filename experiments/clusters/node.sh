#!/usr/bin/env bash
# One node of a Ray cluster that asks for a token, until it is interrupted.
#
#   node.sh head                     first: the machine of the driver and the dashboard
#   node.sh worker HEAD              a machine that trains and evaluates
#   node.sh device HEAD RESOURCE     a board, or the computer that reaches a phone: it measures and does nothing else
#
# HEAD is the head's host name or address; what comes after these goes to ray start, such as --num-cpus=8. The token is
# RAY_AUTH_TOKEN, or the file ~/.ray/auth_token, which the head makes where it is missing and the other nodes need a copy
# of (scp -p). NODE_IP is this node's address where it has several; RAY_PORT and DASHBOARD_PORT are 6379 and 8265 unless
# set.
set -euo pipefail

usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

role="${1:-}"
case "$role" in
    head) shift ;;
    worker) (($# >= 2)) || usage; head="$2"; shift 2 ;;
    device) (($# >= 3)) || usage; head="$2" resource="$3"; shift 3 ;;
    *) usage ;;
esac

export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
# Measuring takes no share of Ray's GPUs, yet has to see them.
export RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=0
if [[ -z "${RAY_AUTH_TOKEN:-}" && ! -s ~/.ray/auth_token ]]; then
    [[ "$role" = head ]] || { echo "no token: copy ~/.ray/auth_token from the head, scp -p" >&2; exit 1; }
    (umask 077 && ray get-auth-token --generate >/dev/null)
fi

options=(--block ${NODE_IP:+--node-ip-address="$NODE_IP"})
port="${RAY_PORT:-6379}"
case "$role" in
    head) options+=(--head --port="$port" --dashboard-host=127.0.0.1 --dashboard-port="${DASHBOARD_PORT:-8265}") ;;
    worker) options+=(--address="$head:$port") ;;
    # Without CPUs nothing that computes is placed here.
    device) options+=(--address="$head:$port" --num-cpus=0 --resources="{\"$resource\": 1}") ;;
esac
exec ray start "${options[@]}" "$@"
