#!/usr/bin/env bash
# Runs a search as a job of a Ray cluster that is there, and shows its progress until it ends.
#
#   submit.sh CONFIG OUTPUT          from the directory whose files the job needs
#
# OUTPUT is an absolute path that all nodes see. The cluster is the one whose dashboard is at RAY_API_SERVER_ADDRESS,
# http://127.0.0.1:8265 unless set: on the head itself, or from elsewhere through ssh -L 8265:127.0.0.1:8265 HEAD. Its
# token is RAY_AUTH_TOKEN, or the file ~/.ray/auth_token. The job goes on if this script is interrupted; given again
# after it has ended, the same command continues the study.
set -euo pipefail

config="${1:?submit.sh CONFIG OUTPUT}" output="${2:?submit.sh CONFIG OUTPUT}"
export RAY_AUTH_MODE=token
export RAY_API_SERVER_ADDRESS="${RAY_API_SERVER_ADDRESS:-http://127.0.0.1:8265}"
exec ray job submit --working-dir . -- nas run "$config" --output "$output"
