#!/usr/bin/env bash
# Feeds mutated model blocks, checkpoints and model files to the readers:  build/fuzz.sh [inputs=1000000] [seed=1]
# Ends with 1 and the inputs in artifacts/fuzz if one of them crashes a reader, makes it allocate more than ten times the input, or takes too long.
# The library's copy in artifacts/fuzz/bin counts its branches (SharpFuzz); inputs that reach new ones are mutated further.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/artifacts/fuzz/bin
rm -rf "$bin" "$bin.tool"
dotnet build -c Release build/Stress -p:Coverage=true --output "$bin"
cp -r "$bin" "$bin.tool"
dotnet "$bin.tool/MLNetBatchNorm.Stress.dll" instrument "$bin/MLNetBatchNorm.dll"
rm -rf "$bin.tool"
dotnet "$bin/MLNetBatchNorm.Stress.dll" fuzz "${1:-1000000}" "${2:-1}" artifacts/fuzz
