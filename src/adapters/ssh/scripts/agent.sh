# Rollcall's agent on a host: one call. It is sent with every call and trusts nothing that it finds half-written.
# $1 is job.sh, $2 this text, $3 the verb, $4 the nonce that marks this call's answer lines, $5 the service's root; the
# rest depends on the verb. Answers: "@NONCE word ...", one line each.
job_text=$1 verb=$3 nonce=$4
below "$5"
shift 5
CHUNK=65536
runner= off=0 size=0 st=new detail= whole=

say() { printf '@%s %s\n' "$nonce" "$*"; }

# One frame of at most CHUNK bytes from $off on.
chunk() {
  n=$((size - off))
  [ "$n" -gt "$CHUNK" ] && n=$CHUNK
  [ "$n" -gt 0 ] || n=0
  say "out $off $n $size"
  if [ "$n" -gt 0 ]; then
    if [ "$off" -eq 0 ]; then head -c "$n" "$job/log"; else tail -c "+$((off + 1))" "$job/log" | head -c "$n"; fi
  fi
  off=$((off + n))
}

# A short log of a job that is done needs no process. What the shell has read is the log when it is as long: a NUL, or a
# line without an end, would be missing.
tell_short() {
  [ "$st" = done ] && [ "$off" -eq 0 ] && [ "${whole:-0}" -gt 0 ] && [ "$whole" -le 2048 ] || return 1
  text=
  while IFS= read -r line; do text=$text$line$NL; done <"$job/log"
  [ "${#text}" -eq "$whole" ] || return 1
  say "out 0 $whole $whole"
  printf '%s' "$text"
  off=$whole
}

pump() {
  tell_short && return
  measure
  while [ "$off" -lt "$size" ]; do chunk; done
}

tell() { say "state $st $detail"; }

# Streams the log from $off until the job has ended. The state is taken before the size: "done" implies a whole log.
follow() {
  polls=0 beats=0
  while :; do
    state
    pump
    case $st in new | starting | running) ;; *) break ;; esac
    beats=$((beats + 1))
    if [ -n "$runner" ]; then
      [ $((beats % 5)) -eq 0 ] && say beat
      # The job's watch wakes us once a second, and the end of the runner at once.
      wait "$runner"
      kill -s 0 "$runner" 2>/dev/null || runner=
    else
      [ $((beats % 20)) -eq 0 ] && say beat
      if [ "$st" = new ]; then
        polls=$((polls + 1))
        [ "$polls" -gt 15 ] && say fail "the runner did not start; is setsid installed, is the disk full?" && break
      fi
      nap
    fi
  done
  [ "$polls" -gt 15 ] || tell
}

deny() {
  rm -rf "$dir/tmp.$nonce"
  say "state refused $1 ${2%%"$NL"*}"
  exit 0
}

# folders PATH...: makes them in our folder, which is closed to others. They themselves, one of which becomes a release,
# get what the user's own umask leaves.
folders() {
  if [ -d "$dir" ]; then
    mkdir -p "$@"
    return
  fi
  [ -d "$root" ] || mkdir -p "$root" || return
  mask=$(umask)
  bits=$((0777 & ~0$mask))
  umask 077
  mkdir -p -m "$((bits / 64))$((bits / 8 % 8))$((bits % 8))" "$@"
  made=$?
  umask "$mask"
  return "$made"
}

# Takes the job in: everything into a folder of its own, checked, then one rename makes it the job.
receive() {
  tmp=$dir/tmp.$nonce
  # Where the end of the connection is told by a signal, nothing of a broken upload stays. PIPE comes first when the shell says
  # that dd was hung up, to a stderr that is gone.
  trap 'rm -rf "$tmp"; exit 1' HUP TERM PIPE
  set -- "$dir/jobs" "$dir/epochs" "$tmp/tree"
  folders "$@" 2>/dev/null || err=$(folders "$@" 2>&1) || deny upload "$err"
  {
    printf '%s' "$script" >"$tmp/script" && printf '%s' "$job_text$runner_text" >"$tmp/runner" &&
      printf '%s\n' "$args" >"$tmp/args"
  } 2>/dev/null || deny upload "cannot write to $dir, is the disk full?"
  set -- "$tmp/script"
  if [ -n "$digest" ]; then
    # dd's last line is "N bytes ... copied", but for busybox.
    bytes=$(exec dd bs=131072 of="$tmp/upload" 2>&1) || deny upload "the upload cannot be written: $bytes"
    bytes=${bytes%% bytes*}
    bytes=${bytes##*"$NL"}
    case $bytes in '' | *[!0-9]*) bytes=0 ;; esac
    [ "$algorithm" = sha256 ] && set -- "$@" "$tmp/upload"
  fi
  sums=$(exec sha256sum "$@" 2>&1) || deny upload "$sums"
  [ "${sums%% *}" = "$sha" ] || deny digest "the script's sha256 is ${sums%% *}, approved was $sha"
  if [ -n "$digest" ]; then
    if [ "$algorithm" = md5 ]; then sums=$(exec md5sum <"$tmp/upload"); else sums=${sums#*"$NL"}; fi
    [ "${sums%% *}" = "$digest" ] || deny upload "the upload is not whole: its $algorithm is ${sums%% *}, approved was $digest"
  fi
  # Fails when another submission of this key, or a cancel, was first: both leave the folder not empty.
  mv -T "$tmp" "$job" 2>/dev/null || rm -rf "$tmp"
  [ -f "$job/script" ] || [ -d "$job/start" ] || deny upload "the job cannot be stored in $dir"
  trap - HUP TERM PIPE
}

submit() {
  key=$1 off=$2 script=$3 args=$4 sha=$5 algorithm=$6 digest=$7 version=$8 runner_text=$9
  job=$dir/jobs/$key bytes=0
  state
  if [ "$st" = new ]; then
    if [ -f "$job/script" ]; then
      say skip
    else
      # A release that lies complete on the host needs no upload.
      if [ -n "$digest" ] && { read -r have <"$root/$version/.rollcall-digest"; } 2>/dev/null &&
        [ "$have" = "$algorithm:$digest" ]; then
        digest= algorithm=
        say skip
      fi
      receive
    fi
    trap : USR1
    setsid sh "$job/runner" "$root" "$key" "${lc-}" "$$" "$bytes" </dev/null >/dev/null 2>&1 &
    runner=$!
  else
    say skip
  fi
  follow
}

# Takes the token itself; when it is taken, asks the runner to end the payload, or ends an orphan.
cancel() {
  job=$dir/jobs/$1
  err=$(folders "$job" 2>&1) || { say fail "${err%%"$NL"*}" && exit 0; }
  if mkdir "$job/start" 2>/dev/null; then
    : >"$job/cancelled"
    clear_job
  else
    state
    case $st in starting | running | orphaned) : >"$job/cancel" ;; esac
    if [ "$st" = orphaned ] && payload "$job"; then group=$p && end "143 cancelled: its runner was gone"; fi
  fi
  n=0
  state
  while [ "$n" -lt $(((GRACE + LOCKWAIT + 3) * 5)) ] && { [ "$st" = starting ] || [ "$st" = running ]; }; do
    n=$((n + 1))
    [ $((n % 20)) -eq 0 ] && say beat
    nap
    state
  done
  tell
}

fence() {
  err=$(folders "$dir/jobs" "$dir/epochs" 2>&1) || { say fail "${err%%"$NL"*}" && exit 0; }
  if raise "$1"; then say fact epoch "$have"; else say fail "the epoch cannot be stored in $dir"; fi
}

# One quick health try: running, stopped (nothing listens or the unit is inactive) or unhealthy.
feel() {
  url=$1 unit=$2 sudo=$3
  shift 3
  if [ -n "$url" ]; then
    if command -v curl >/dev/null; then
      code=$(curl -s -o /dev/null -m 3 -w '%{http_code}' -- "$url")
      case $?$code in 02??) health=running ;; 7000) health=stopped ;; esac
    else
      wget -q -T 3 -t 1 -O /dev/null -- "$url" 2>/dev/null
      case $? in 0) health=running ;; 4) health=stopped ;; esac
    fi
  elif [ $# -gt 0 ]; then
    (cd "$root/current" && exec timeout -k 1 3 "$@") </dev/null >/dev/null 2>&1 && health=running
  fi
  if [ "$health" = unhealthy ] && [ -n "$unit" ]; then
    systemctl is-active --quiet -- "$unit" 2>/dev/null || health=stopped
  fi
}

probe() {
  say fact boot "$boot"
  say fact clock "$(date +%s.%N)"
  stored
  say fact epoch "$have"
  tools='dd head tail wc mkdir mv ln rm ls chmod readlink find date df sed awk tar gzip sha256sum md5sum flock setsid'
  tools="$tools sleep sync timeout"
  [ -n "$2" ] && tools="$tools systemctl"
  [ -n "$3" ] && tools="$tools sudo"
  for tool in $tools; do command -v "$tool" >/dev/null || say fact missing "$tool"; done
  command -v curl >/dev/null || command -v wget >/dev/null || say fact missing 'curl or wget'
  at=$root
  while [ ! -d "$at" ]; do at=${at%/*} at=${at:-/}; done
  free=$(df -Pk "$at" 2>/dev/null)
  line=${free#*"$NL"}
  kb=$(set -- $line && printf '%s' "${4-}")
  say fact free "${kb:-0}"
  # The first of the folders that jobs write to where they may not; of what is not there yet, what it would be made in.
  for each in "$at" "$root" "$dir" "$dir/jobs" "$dir/epochs"; do
    [ -e "$each" ] || continue
    if [ ! -d "$each" ] || [ ! -w "$each" ] || [ ! -x "$each" ]; then say fact unwritable "$each" && break; fi
  done
  load=0
  { read -r load rest </proc/loadavg; } 2>/dev/null
  say fact load "$load"
  say fact cpus "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)"
  previous=
  { read -r previous <"$dir/previous"; } 2>/dev/null
  [ -n "$previous" ] && say fact previous "$previous"
  set +f
  for mark in "$root"/*/.rollcall-digest; do
    name=${mark%/*} name=${name##*/}
    [ -f "$mark" ] && case $name in current | *[!A-Za-z0-9._+-]*) ;; *) say fact release "$name" ;; esac
  done
  set -f
  health=absent
  if [ -L "$root/current" ]; then
    name=$(readlink "$root/current")
    name=${name##*/}
    say fact version "$name"
    # Laid by hand before our time: it can be gone back to all the same.
    [ -d "$root/$name" ] && [ ! -f "$root/$name/.rollcall-digest" ] && say fact release "$name"
    health=unhealthy
    feel "$@"
  fi
  say fact state "$health"
}

case $verb in
  run) submit "$@" ;;
  look)
    job=$dir/jobs/$1 off=$2
    state
    measure
    chunk
    tell
    ;;
  cancel) cancel "$@" ;;
  fence) fence "$@" ;;
  probe) probe "$@" ;;
  *) say fail "unknown verb $verb" ;;
esac
say end
exit 0
