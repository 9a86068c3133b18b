#!/bin/sh
# Tags the recordings of a list with GNU parallel, a worker a core, and writes the answers as JSON lines, in their order.
#
#     sh parallel.sh TRAINER MODEL LIST OUT
#
# --pipe gives each worker a block of lines; add --sshlogin for other machines.
set -eu
trainer=$1 model=$2 list=$3 out=$4
parallel --quote --pipe --keep-order --block 4k "$trainer" tag "$model" --worker --ignore-failed < "$list" > "$out"
