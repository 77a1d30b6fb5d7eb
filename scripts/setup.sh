#!/usr/bin/env bash
# Installs what is missing of packages.txt (Debian 12). Arguments: the sections of that list to look
# at; of a section whose name starts with "optional", a package that cannot be had is no error.
#
# Root installs with apt-get. Anybody else gets the one command to run, and exit code 2.
set -euo pipefail

list="$(dirname "${BASH_SOURCE[0]}")/../packages.txt"

# packages_of SECTION: the names under "[SECTION]".
packages_of() {
  sed -n "/^\[$1\]/,/^\[/p" "$list" | grep -v -e '^\[' -e '^#' -e '^$' || true
}

# Of the package names on stdin, those that dpkg does not know as installed.
missing_of() {
  local package
  while read -r package; do
    [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] ||
      echo "$package"
  done
}

install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is no Debian system; what redoubt needs is listed in packages.txt" >&2
  exit 0
fi

needed=() optional=()
for section in "$@"; do
  mapfile -t missing < <(packages_of "$section" | missing_of)
  if [[ "$section" == optional* ]]; then
    optional+=("${missing[@]}")
  else
    needed+=("${missing[@]}")
  fi
done
[[ ${#needed[@]} -gt 0 || ${#optional[@]} -gt 0 ]] || exit 0

if [[ "$(id -u)" -ne 0 ]]; then
  if [[ ${#needed[@]} -gt 0 ]]; then
    echo "setup: packages are missing; install them, then start again:" >&2
    echo "  sudo apt-get install ${needed[*]}" >&2
    [[ ${#optional[@]} -eq 0 ]] || echo "  (useful, too: ${optional[*]})" >&2
    exit 2
  fi
  echo "setup: going on without ${optional[*]}; to have it: sudo apt-get install ${optional[*]}" >&2
  exit 0
fi

echo "setup: installing ${needed[*]} ${optional[*]}"
apt-get update -q || echo "setup: apt-get update failed; trying with the lists at hand" >&2
if [[ ${#needed[@]} -gt 0 ]]; then install "${needed[@]}"; fi
for package in "${optional[@]}"; do
  install "$package" || echo "setup: $package could not be installed; going on without it" >&2
done
