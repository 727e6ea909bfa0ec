#!/usr/bin/env bash
# A search on the nodes of a Slurm job: a Ray cluster of its own, which ends with the job.
#
#   sbatch experiments/clusters/slurm.sh CONFIG OUTPUT
#
# OUTPUT is a path that all nodes see; a job that ran out of time continues with the same command. Ray, this package and
# the data have to be there on every node, for instance in an environment on a shared file system.
#SBATCH --job-name=ridgeline
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=32G
#SBATCH --time=12:00:00
#SBATCH --exclusive
set -euo pipefail

config="${1:?sbatch slurm.sh CONFIG OUTPUT}" output="${2:?sbatch slurm.sh CONFIG OUTPUT}"

# A token of this job's own; srun hands the environment on.
RAY_AUTH_TOKEN="$(python -c 'import secrets; print(secrets.token_hex(32))')"
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0

# The batch script runs on the first node, which becomes the head. Ports differ from job to job.
address="$(hostname --ip-address | cut -d ' ' -f 1)"
port="$((20000 + SLURM_JOB_ID % 10000))"
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
ray start --head --block --node-ip-address="$address" --port="$port" --num-cpus="$SLURM_CPUS_PER_TASK" \
    --ray-client-server-port="$((port + 10000))" --dashboard-host=127.0.0.1 >/dev/null &
until (: <"/dev/tcp/$address/$port") 2>/dev/null; do
    kill -0 $! # ends the job if the head has ended
    sleep 1
done
if ((SLURM_JOB_NUM_NODES > 1)); then
    srun --nodes="$((SLURM_JOB_NUM_NODES - 1))" --ntasks-per-node=1 --exclude="$SLURMD_NODENAME" \
        ray start --block --address="$address:$port" --num-cpus="$SLURM_CPUS_PER_TASK" >/dev/null &
fi

export RAY_ADDRESS="$address:$port"
nas doctor "$config" --set output="$output" || true # in the job's log; the run itself says what it cannot do without
nas run "$config" --output "$output"
