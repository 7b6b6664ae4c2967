#!/usr/bin/env bash
# Trains, interrupts, saves, loads and scores in a loop:  build/soak.sh [minutes=10]
# Prints memory, open files and threads every ten seconds; ends with 1 if they grow (the rule stands in build/Stress/SoakCommand.cs).
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet run -c Release --project build/Stress -- soak "${1:-10}"
