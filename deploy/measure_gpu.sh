#!/bin/sh
# One GPU in under ten minutes: its ceilings, and whole passes of five models in three formats, as one bundle to bring back.
# Needs Python and torch on the node, and nothing of Skyline but the file `profiling.pyz` (`make profiling.pyz`) and a plan.
#
#   skyline profile plan deploy/gpu-ten-minutes.yaml --out plan.json       here
#   sh measure_gpu.sh plan.json                                            there, beside profiling.pyz and plan.json
#   cp -r gpu.bundle .skyline/inbox                                        here again
#
# Variables: DEVICE (cuda), SECONDS_IN_ALL (540), CEILINGS (60: seconds for them), POINT (2: most seconds of a pass), OUT.
set -eu
plan=${1:?name the plan}
device=${DEVICE:-cuda}
out=${OUT:-gpu.bundle}
all=${SECONDS_IN_ALL:-540}
ceilings=${CEILINGS:-60}
python=${PYTHON:-python3}

"$python" profiling.pyz probe
# The last point begins before the time is up, and ends within a minute of it; what there is then is sealed.
"$python" profiling.pyz run "$plan" --out "$out" --device "$device" --calibrate-seconds "$ceilings" \
    --point-seconds "${POINT:-2}" --max-seconds "$((all - ceilings - 60))" --seal --timeout 60
"$python" profiling.pyz verify "$out"
tar -cf "$out.tar" "$out"
echo "$out.tar: copy it to the machine with Skyline, unpack it into the inbox of its home, and refresh."
