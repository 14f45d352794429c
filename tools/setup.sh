#!/bin/sh
# Installs what is missing, and nothing else. Safe to run again; says nothing when there is nothing to do.
#
#   tools/setup.sh node   npm packages that the program needs
#   tools/setup.sh demo   the same, and the Debian packages of the demo
#   tools/setup.sh test   all npm packages, and the Debian packages of the demo and the tests
#
# Progress goes to stderr, one line a step; the output of a step is shown only when it fails.
# SKEP_SKIP_PACKAGES=1 leaves the Debian packages out (tests that need them are then skipped, with the reason).
# Exit: 0 ready, 2 wrong use, 3 Node.js missing or too old, 4 root needed, 5 not a Debian system, 6 a step failed.
set -u

NODE_MINIMUM="20.19.0"
LOCK_WAIT_SECONDS=300
# Some ways to become root leave these out of the path.
PATH="$PATH:${SKEP_SYSTEM_PATH:-/usr/local/sbin:/usr/sbin:/sbin}"
root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd) || exit 6
output=""
policy=""

main() {
  case "${1:-}" in
    node) wanted="" ;;
    demo) wanted="ip:iproute2 nft:nftables tcpdump:tcpdump" ;;
    test) wanted="ip:iproute2 nft:nftables tcpdump:tcpdump serf:serf dockerd:docker.io qemu-system-x86_64:qemu-system-x86 busybox:busybox-static tshark:tshark scapy:python3-scapy iperf3:iperf3" ;;
    *) fail 2 "usage: tools/setup.sh node|demo|test" ;;
  esac
  check_node
  exec 9<"$root/package.json" # two first runs at once must not install twice
  command -v flock >/dev/null && flock 9
  output=$(mktemp) || fail 6 "cannot create a temporary file"
  trap clean_up EXIT
  trap 'exit 130' INT TERM HUP
  [ "${SKEP_SKIP_PACKAGES:-0}" = 1 ] || install_debian_packages
  install_npm_packages "$1"
}

check_node() {
  command -v node >/dev/null || fail 3 "Node.js is not installed; skep needs $NODE_MINIMUM or newer (nodejs.org)"
  have=$(node --version | sed 's/^v//')
  oldest=$(printf '%s\n%s\n' "$NODE_MINIMUM" "$have" | sort -V | head -n 1)
  [ "$oldest" = "$NODE_MINIMUM" ] || fail 3 "Node.js $have is too old; skep needs $NODE_MINIMUM or newer (nodejs.org)"
}

install_debian_packages() {
  missing=""
  for pair in $wanted; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
  done
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null ||
    fail 5 "not a Debian system; please install these yourself:$missing"
  [ "$(id -u)" = 0 ] ||
    fail 4 "root is needed once, to install Debian packages; run as root: apt-get install$missing"
  export DEBIAN_FRONTEND=noninteractive
  forbid_services
  known_to_apt || step "Updating the list of Debian packages" apt_update
  if ! try "Installing Debian packages:$missing" apt_install; then
    # Lists from long ago name files that are gone.
    step "Updating the list of Debian packages" apt_update
    step "Installing Debian packages:$missing" apt_install
  fi
  case " $missing " in *" serf "*) leave_serf_stopped ;; esac
}

# Has every missing package a candidate in the lists that are here?
known_to_apt() {
  for package in $missing; do
    apt-cache policy "$package" 2>/dev/null | grep -q '^  Candidate: [0-9]' || return 1
  done
}

# apt-get waits for the lock of dpkg by itself, but not for the lock of the lists.
apt_update() {
  waited=0
  while ! apt-get update -q; do
    tail -n 5 "$output" | grep -q 'Could not get lock' || return 1
    [ "$waited" -lt "$LOCK_WAIT_SECONDS" ] || return 1
    sleep 5
    waited=$((waited + 5))
  done
}

apt_install() {
  # shellcheck disable=SC2086 # one word per package
  apt-get install -q -y --no-install-recommends -o "DPkg::Lock::Timeout=$LOCK_WAIT_SECONDS" $missing
}

# A package may want to start its service; we only want its program. invoke-rc.d and systemd ask this file first.
forbid_services() {
  [ ! -e /usr/sbin/policy-rc.d ] || return 0
  policy=/usr/sbin/policy-rc.d
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
}

leave_serf_stopped() {
  if command -v update-rc.d >/dev/null; then update-rc.d serf disable >/dev/null 2>&1 || true; fi
}

# Without development packages for those who only run the program; never removes them where they are.
install_npm_packages() {
  which_packages="--include=dev"
  if [ "$1" != test ] && [ ! -e "$root/node_modules/typescript" ]; then which_packages="--omit=dev"; fi
  installed="$root/node_modules/.package-lock.json"
  if [ -e "$installed" ] && [ ! "$root/package-lock.json" -nt "$installed" ]; then
    if [ "$which_packages" = --omit=dev ] || [ -e "$root/node_modules/typescript" ]; then return 0; fi
  fi
  command -v npm >/dev/null || fail 3 "npm is not installed; it comes with Node.js (nodejs.org)"
  step "Installing npm packages" npm_ci
}

npm_ci() {
  npm ci --prefix "$root" "$which_packages" --no-audit --no-fund --loglevel=error
}

# step TEXT COMMAND: like try, but the end of everything when it fails.
step() {
  try "$@" || {
    show_output
    fail 6 "$1: failed"
  }
}

try() {
  started=$(date +%s)
  printf '%s' "skep: $1 ... " >&2
  "$2" >"$output" 2>&1
  status=$?
  if [ "$status" = 0 ]; then word="done"; else word="failed"; fi
  printf '%s (%s s)\n' "$word" "$(($(date +%s) - started))" >&2
  return "$status"
}

# The first lines name the cause, or the last ones do.
show_output() {
  if [ "$(wc -l <"$output")" -le 30 ]; then
    sed 's/^/  | /' "$output" >&2
  else
    head -n 12 "$output" | sed 's/^/  | /' >&2
    printf '%s\n' "  | ..." >&2
    tail -n 12 "$output" | sed 's/^/  | /' >&2
  fi
}

fail() {
  printf '%s\n' "skep: $2" >&2
  exit "$1"
}

clean_up() {
  [ -z "$policy" ] || rm -f "$policy"
  [ -z "$output" ] || rm -f "$output"
}

main "$@"
