#!/usr/bin/env bash
# Make the default model `wake-en`, and say how good its recipe is: `make model-wake-en DATASET=…`; an hour or two on two cores.
# build/wake-en holds the cross-validation and the training on everything; what was begun goes on when it is typed again.
set -euo pipefail
cd "$(dirname "$0")/.."
dataset=${1:?"name the folder of recordings: make model-wake-en DATASET=FOLDER"}
recipe=models/wake-en/recipe.toml work=build/wake-en bin=.venv/bin
mkdir -p "$work"
$bin/edged train "$dataset" --recipe "$recipe" --out "$work/all"
$bin/edged optimise "$work/all" --out models/wake-en/wake-en.edged
$bin/python packaging/cross_validate.py "$recipe" "$dataset" "$work/folds" \
  --report models/wake-en/report.html --json "$work/report.json" | tee models/wake-en/report.txt
