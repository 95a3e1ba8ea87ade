# Sourced by ./yuzui and scripts/*: find_jdk sets and exports JAVA_HOME to a JDK 25 or newer.
# JAVA_HOME wins if it is one, then the newest in the system's JVM folders, then the java on PATH.

JDK_NEEDED=25

# "25 0 3" from the release file of the JDK in folder $1; fails if there is no JDK.
jdk_version() {
  [ -x "$1/bin/java" ] && [ -x "$1/bin/javac" ] && [ -r "$1/release" ] || return 1
  while IFS='=' read -r key value; do
    if [ "$key" = JAVA_VERSION ]; then
      value=${value#\"}
      value=${value%%[!0-9.]*}
      old_ifs=$IFS
      IFS=.
      # shellcheck disable=SC2086 # split at the dots
      set -- $value
      IFS=$old_ifs
      echo "${1:-0} ${2:-0} ${3:-0}"
      return 0
    fi
  done < "$1/release"
  return 1
}

find_jdk() {
  if [ -n "${JAVA_HOME:-}" ] && found=$(jdk_version "$JAVA_HOME") \
    && [ "${found%% *}" -ge "$JDK_NEEDED" ]; then
    export JAVA_HOME
    return 0
  fi
  on_path=$(command -v java || true)
  if [ -n "$on_path" ]; then
    on_path=$(readlink -f "$on_path" 2> /dev/null || echo "$on_path")
    on_path=${on_path%/bin/java}
  fi
  best=$(
    for folder in /usr/lib/jvm/* /usr/lib64/jvm/* /usr/java/* /usr/local/lib/jvm/* /opt/* /opt/java/* /opt/jdk/* \
      /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home \
      /Library/Java/JavaVirtualMachines/*/Contents/Home \
      "${HOME:-/nonexistent}"/Library/Java/JavaVirtualMachines/*/Contents/Home \
      "${HOME:-/nonexistent}"/.sdkman/candidates/java/* "${HOME:-/nonexistent}"/.jdks/* "$on_path"; do
      if version=$(jdk_version "$folder") && [ "${version%% *}" -ge "$JDK_NEEDED" ]; then
        echo "$version $folder"
      fi
    done | sort -k1,1nr -k2,2nr -k3,3nr | head -n 1
  )
  if [ -n "$best" ]; then
    JAVA_HOME=${best#* * * }
    export JAVA_HOME
    return 0
  fi
  echo "yuzui: needs a JDK $JDK_NEEDED or newer; none in JAVA_HOME${JAVA_HOME:+ ($JAVA_HOME)}, the system's JVM folders or PATH." \
    "Install one (Debian, Ubuntu: apt install openjdk-$JDK_NEEDED-jdk; Fedora: dnf install java-$JDK_NEEDED-openjdk-devel;" \
    "macOS: brew install openjdk@$JDK_NEEDED) or point JAVA_HOME at one." >&2
  return 1
}
