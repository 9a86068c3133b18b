#!/bin/sh
#SBATCH --job-name=tagvane
#SBATCH --array=1-3
#SBATCH --requeue
#SBATCH --open-mode=append
# Tags the recordings of a list as a job array; each task does its part, and a task that is run again goes on where it stopped.
#
#     sbatch slurm.sh TRAINER MODEL LIST OUT
#
# Give other resources and another number of tasks to sbatch, for example `sbatch --array=1-100 --cpus-per-task=4 slurm.sh ...`.
# LIST and OUT are on a file system that all nodes share, or in an object store.
set -eu
"$1" tag "$2" --list "$3" --parquet "$4" --jobs "${SLURM_CPUS_PER_TASK:-1}" --quiet --ignore-failed
