#!/bin/sh
# Tags the recordings of a list with xargs, twenty a process, into a catalogue that all processes write.
#
#     sh xargs.sh TRAINER MODEL LIST OUT
#
set -eu
trainer=$1 model=$2 list=$3 out=$4
partitions=$(($(wc -l < "$list") / 4096 + 1))
tr '\n' '\0' < "$list" |
  xargs -0 -n 20 -P 2 "$trainer" tag "$model" --parquet "$out" --partitions "$partitions" --jobs 1 --quiet --ignore-failed --
