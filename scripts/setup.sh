#!/usr/bin/env bash
# Installs what Taper's build needs: system packages with apt, Python packages into .venv. Does nothing when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/taper-setup  # the folder that .venv was made for, then what was installed
# An activated .venv is not what .venv is made with.
PATH=${PATH//"$PWD/.venv/bin:"/}
python=${PYTHON:-python3}
if [ -z "${PYTHON:-}" ] && [ "$(head -n 1 $stamp 2>/dev/null)" = "$PWD" ] && .venv/bin/python -c "" 2>/dev/null; then
  python=.venv/bin/python
fi
packages=(g++ cmake ninja-build ccache libhwy-dev libeigen3-dev nlohmann-json3-dev
          zlib1g-dev libgtest-dev libgloo-dev libssl-dev)

stop() {
  echo "setup: $*" >&2
  exit 1
}

# System packages that are not installed, one a line.
missing_packages() {
  local wanted=("${packages[@]}")
  # A Python that the distribution did not build brings its own headers and venv module.
  if ! "$python" -c "import ensurepip, os, sysconfig, venv
assert os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h'))" 2>/dev/null; then
    wanted+=(python3-dev python3-venv)
  fi
  dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null | sed -n 's/ installed$//p' |
    sort -u | comm -13 - <(printf '%s\n' "${wanted[@]}" | sort -u)
}

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    echo "setup: no apt here; the build will name what it misses of: ${packages[*]}" >&2
    return
  fi
  local missing as_root=()
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    { command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; } ||
      stop "missing system packages; install them with: sudo apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  echo "setup: installing system packages: ${missing[*]}"
  { "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; } ||
    stop "apt-get failed; try: sudo apt-get update && sudo apt-get install ${missing[*]}"
}

# The build requirements and the test extra of pyproject.toml, and cmake and ninja where the system's do not serve.
python_packages() {
  "$python" - <<'EOF'
import re
text = open("pyproject.toml").read()
for key in ("requires", "dependencies", "test"):
    items = re.search(rf"^{key} = \[(.*?)\]", text, re.M | re.S)[1]
    print(*re.findall(r'"(.+?)"', items), sep="\n")
EOF
  local version=
  version=$(cmake --version 2>/dev/null | sed -n 's/^cmake version //p') || true
  printf '3.22\n%s\n' "$version" | sort -VC || echo "cmake>=3.22"
  command -v ninja >/dev/null || echo ninja
}

install_python_packages() {
  local wanted
  wanted=$(python_packages)
  if [ -x .venv/bin/python ] && [ "$(cat $stamp 2>/dev/null)" = "$PWD"$'\n'"$wanted" ]; then
    return
  fi
  if [ "$(head -n 1 $stamp 2>/dev/null)" != "$PWD" ] || ! .venv/bin/python -c "" 2>/dev/null; then
    echo "setup: creating .venv with $("$python" --version)"
    "$python" -m venv --clear .venv || stop "could not create .venv; try: sudo apt-get install python3-venv"
    echo "$PWD" >$stamp
  fi
  echo "setup: installing into .venv:" $wanted
  mapfile -t wanted <<<"$wanted"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check "${wanted[@]}" ||
    stop "pip failed; is the package index reachable?"
  printf '%s\n' "$PWD" "${wanted[@]}" >$stamp
}

command -v "$python" >/dev/null || stop "no $python found; install it with: sudo apt-get install python3"
"$python" -c "import sys; sys.exit(sys.version_info < (3, 10))" ||
  stop "Python 3.10 or newer is needed, $python is $("$python" -V); run: make setup PYTHON=/path/to/python3"
install_packages
install_python_packages
