#!/usr/bin/env bash
# Feeds mutated model blocks, checkpoints and model files to the readers:  build/fuzz.sh [inputs=1000000] [seed=1]
# Ends with 1 and the inputs in artifacts/fuzz if one of them crashes a reader, makes it allocate more than ten times the input, or takes too long.
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet run -c Release --project build/Stress -- fuzz "${1:-1000000}" "${2:-1}" artifacts/fuzz
