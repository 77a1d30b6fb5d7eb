#!/bin/sh
# What tests/gpu.sh needs of a build, for a machine that has a GPU and neither our libraries nor a way
# to install them:
#
#   tests/gpu_carry.sh BUILD FOLDER
#
# copies the programs, without symbols, into FOLDER, which must not be there yet, and the libraries that
# they load into FOLDER/lib: all but glibc's and NVIDIA's. Some 140 MB, which xz makes 14.
set -eu
build=${1:?usage: tests/gpu_carry.sh BUILD FOLDER}
folder=${2:?usage: tests/gpu_carry.sh BUILD FOLDER}
mkdir "$folder" "$folder/lib"
for name in kernels_test cuda_engines_test cuda_fleet_test cuda_federation_test redoubt redoubt_benchmark; do
  program=$(find "$build" -type f -name $name -perm -u+x | head -n 1)
  if [ -z "$program" ]; then
    echo "tests/gpu_carry.sh: $build has no $name: is it built, and with CUDA?" >&2
    exit 1
  fi
  cp "$program" "$folder/"
done
ldd "$folder"/*_test "$folder"/redoubt* | awk '/=> \// {print $3}' | sort -u |
  grep -Ev '/(libc|libm|libdl|librt|libpthread|libcu[a-zA-Z]*|libnv[a-zA-Z]*)\.so' |
  xargs cp -L -t "$folder/lib"
strip "$folder"/*_test "$folder/redoubt" "$folder/redoubt_benchmark"
