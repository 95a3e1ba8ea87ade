# Sourced by scripts/test, scripts/release and .ci/run: apt_install installs Debian packages where this user may; fails where not.

apt_install() {
  command -v apt-get > /dev/null && [ "$(id -u)" = 0 ] || return 1
  echo "installing $*" >&2
  # a list of packages that is too old names files that are gone
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" > /dev/null 2>&1 \
    || { apt-get update -q > /dev/null 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" > /dev/null; }
}
