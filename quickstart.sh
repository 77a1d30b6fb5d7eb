#!/usr/bin/env bash
# Installs what is missing, builds the program, and runs experiments/quickstart.yaml. Arguments are
# passed on to `redoubt run`, e.g. ./quickstart.sh --set seed=2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

scripts/setup.sh build optional

cmake --preset release -DREDOUBT_TESTS=OFF -DREDOUBT_BENCHMARKS=OFF --log-level=WARNING
cmake --build --preset release --target redoubt

# Where the program looks for the images.
have_images() {
  local folder name
  for folder in ${REDOUBT_DATA:+"$REDOUBT_DATA/fashion-mnist"} /usr/share/datasets/fashion-mnist; do
    for name in train-images-idx3-ubyte train-images.idx3-ubyte; do
      if [[ -e "$folder/$name" || -e "$folder/$name.gz" ]]; then return 0; fi
    done
  done
  return 1
}

instead=()
if ! have_images; then
  echo "quickstart: no Fashion-MNIST here (Debian's dataset-fashion-mnist, or \$REDOUBT_DATA)."
  echo "quickstart: the same experiment runs on synthetic-gray, made on the spot; as these images are"
  echo "quickstart: fewer, the attacker stamps more copies and scales more, at a place that works there."
  instead=(--set data.dataset=synthetic-gray --set attack.trigger.row=4 --set attack.trigger.column=4
    --set attack.poison.copies=4 --set attack.scale=3)
fi
if [[ " $* " != *" --resume "* ]]; then instead+=(--overwrite); fi

exec build/release/redoubt run experiments/quickstart.yaml "${instead[@]}" "$@"
