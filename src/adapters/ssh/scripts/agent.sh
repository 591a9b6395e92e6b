# Rollcall's agent on a host: the job protocol. It is sent with every call and trusts nothing that it finds half-written.
# $1 is this text (or '-' when the runner runs its stored copy), $2 the verb, $3 the nonce that marks this call's answer
# lines, $4 the service's root; the rest depends on the verb. Answers: "@NONCE word ...", one line each.
#
# <root>/.rollcall/jobs/KEY holds: script, args, agent, upload, tree/ (becomes the release); then
#   start/     the token: whoever makes this folder may run the job, nobody else ever
#   pid        "PID START BOOT" of the runner, then of the payload's leader; START tells a reused number apart
#   log reason notes   written by the payload while it runs; notes: "from VERSION", "limit SECONDS TARGET", "limit"
#   cancel     asked to end; cancelled = ended before the payload began; lost = declared lost before it had a pid
#   ended      "RC REASON" when the watch ended the payload; refused = "WHY DETAIL"
#   rc         last of all, by rename: the job is done and its log is whole
# Beside jobs/ lie lock (its last line is the key of who had it last), epochs/, previous and audit.log.
# Few processes and few files: on a small host they are what a deploy costs (about 1 ms each), not the bytes.
set -fu
self=$1 verb=$2 nonce=$3 root=$4
shift 4
# Below the home folder of whoever signs in, where a user without root's rights may write.
case $root in '~/'*) root=$HOME/${root#??} ;; esac
dir=$root/.rollcall
CHUNK=65536 LOGCAP=8388608 LOCKWAIT=5 GRACE=5
CUT='[rollcall: the rest of the output was cut]'
NL='
'
boot=unknown
{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
runner= off=0 size=0 st=new detail=

say() { printf '@%s %s\n' "$nonce" "$*"; }

# since PID: $began becomes its start time in clock ticks; fails when it is gone or a zombie.
since() {
  began=0
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${line##*) }
  shift 19 || return 1
  began=$1
  case ${line##*) } in Z* | X* | x*) return 1 ;; esac
}

# alive PID START BOOT: that very process still runs.
alive() { [ "$3" = "$boot" ] && since "$1" && [ "$began" = "$2" ]; }

# $p, $b and $o of the payload of the job in folder $1; fails while there is none.
payload() { { read -r p b o && read -r p b o; } 2>/dev/null <"$1/pid"; }

payload_alive() { { payload "$1"; } 2>/dev/null && alive "$p" "$b" "$o"; }

verdict() {
  if { read -r rc <"$job/rc"; } 2>/dev/null; then
    reason=
    { read -r reason <"$job/reason"; } 2>/dev/null
    st=done detail="$rc $reason"
  elif { read -r detail <"$job/refused"; } 2>/dev/null; then
    st=refused
  elif [ -e "$job/cancelled" ]; then
    st=cancelled
  else
    return 1
  fi
}

# Sets $st and $detail.
state() {
  st=new detail=
  [ -d "$job/start" ] || return 0
  verdict && return 0
  if { read -r p b o <"$job/pid"; } 2>/dev/null; then
    if alive "$p" "$b" "$o"; then
      st=starting
      payload "$job" && st=running
      return 0
    fi
    # It may have ended between the two looks.
    verdict && return 0
    st=lost
    payload_alive "$job" && st=orphaned
    return 0
  fi
  st=starting
  [ -z "$(find "$job/start" -prune -mmin +1)" ] && return 0
  # The token was taken a minute ago and nobody signed for it. The mark binds a runner that was only asleep.
  : >"$job/lost"
  { read -r p b o <"$job/pid"; } 2>/dev/null || st=lost
}

# The log is cut at LOGCAP; bytes below it never change, so offsets stay true.
cut_log() {
  whole=$((LOGCAP + ${#CUT} + 2))
  if [ ! -e "$job/cut" ]; then
    dd if=/dev/null of="$job/log" bs="$LOGCAP" seek=1 2>/dev/null
    printf '\n%s\n' "$CUT" >>"$job/log"
    : >"$job/cut"
  elif [ "$size" -gt "$whole" ]; then
    dd if=/dev/null of="$job/log" bs="$whole" seek=1 2>/dev/null
  fi
  size=$whole
}

measure() {
  size=0
  [ -s "$job/log" ] || return 0
  size=$(wc -c <"$job/log")
  size=$((size))
  [ "$size" -gt "$LOGCAP" ] && cut_log
  return 0
}

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

pump() {
  measure
  while [ "$off" -lt "$size" ]; do chunk; done
}

tell() { say "state $st $detail"; }

nap() { sleep 0.2 2>/dev/null || sleep 1; }

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

# Our folder is closed to others; what is in it, such as an unpacked release, keeps the user's own umask.
home() {
  [ -d "$dir" ] || { mkdir -p "$root" && (umask 077 && exec mkdir -p "$dir"); }
}

# Takes the job in: everything into a folder of its own, checked, then one rename makes it the job.
receive() {
  tmp=$dir/tmp.$nonce
  # Where the end of the connection is told by a signal, nothing of a broken upload stays.
  trap 'rm -rf "$tmp"; exit 1' HUP TERM
  home 2>/dev/null && mkdir -p "$dir/jobs" "$dir/epochs" "$tmp/tree" 2>/dev/null ||
    err=$(home 2>&1 && mkdir -p "$dir/jobs" "$dir/epochs" "$tmp/tree" 2>&1) || deny upload "$err"
  {
    printf '%s' "$script" >"$tmp/script" && printf '%s\n' "$self" >"$tmp/agent" &&
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
  trap - HUP TERM
}

submit() {
  key=$1 off=$2 script=$3 args=$4 sha=$5 algorithm=$6 digest=$7 version=$8
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
    since "$$"
    setsid sh "$job/agent" - runner "$nonce" "$root" "$key" "${lc-}" "$$" "$began" "$bytes" </dev/null >/dev/null 2>&1 &
    runner=$!
  else
    say skip
  fi
  follow
}

# Gives the space back. Emptying needs no process; folders are there after a failure or when releases were pruned.
clear_job() {
  for each in upload script agent tar; do [ -s "$job/$each" ] && : >"$job/$each"; done
  set +f
  for each in "$job/tree" "$job"/old.*; do [ -d "$each" ] && rm -rf "$each"; done
  set -f
}

refuse() {
  printf '%s\n' "$*" >"$job/refused"
  clear_job
  exit 0
}

# $have becomes the highest epoch that was seen; each is a name in epochs/.
stored() {
  have=0
  set +f
  for each in "$dir"/epochs/*; do
    each=${each##*/}
    case $each in '' | *[!0-9]*) ;; *) [ "$each" -gt "$have" ] && have=$each ;; esac
  done
  set -f
}

# raise N: from now on the stored epoch is at least N. Making a name is atomic and the highest counts, so two that raise
# at once need no lock: none can undo the other, and a fence never waits for a job that runs.
raise() {
  { : >"$dir/epochs/$1"; } 2>/dev/null || return 1
  stored
  set +f
  set -- "$dir"/epochs/*
  set -f
  [ $# -gt 50 ] || return 0
  for each in "$@"; do [ "${each##*/}" = "$have" ] || rm -f "$each"; done
}

# signal NAME PID or -GROUP
signal() { kill -s "$1" -- "$2" 2>/dev/null; }

uptime() {
  read -r now rest </proc/uptime
  now=${now%%.*}
}

# $was, $secs and $child as the payload has last noted them.
notes() {
  was= secs= child=
  [ -s "$job/notes" ] || return 0
  while read -r word one two; do
    case $word in from) was=$one ;; limit) secs=$one child=$two ;; esac
  done <"$job/notes"
}

# The key of the job that had the lock last.
holder() {
  owner= lines=0
  while read -r each; do owner=$each lines=$((lines + 1)); done <"$dir/lock"
}

# end RC REASON: ends the payload's process group and that of the command it waits for.
end() {
  stage=$(sed -n 's/^== \([a-z]*\).*/\1/p' "$job/log" | tail -n 1)
  printf '%s\n' "$1${stage:+, at $stage}" >"$job/ended"
  notes
  child=${child:--$group}
  signal TERM "-$group"
  signal TERM "$child"
  n=0
  while [ "$n" -lt $((GRACE * 5)) ] && { signal 0 "-$group" || signal 0 "$child"; }; do
    n=$((n + 1))
    nap
  done
  signal KILL "-$group"
  signal KILL "$child"
}

# Looks once a second: a cancel, the job's time, the time of a command (a PID or a -GROUP), the size of the log.
watch() {
  uptime
  from=$now seen= at=0
  while sleep 1; do
    uptime
    if [ -e "$job/cancel" ]; then end "143 cancelled: ended while it ran"; exit; fi
    if [ $((now - from)) -ge "$timeout" ]; then end "124 timeout: not done in $timeout s"; exit; fi
    notes
    if [ -n "$child" ]; then
      if [ "$seen" != "$child" ]; then
        seen=$child at=$now
      elif [ $((now - at)) -ge $((secs + GRACE)) ]; then
        signal KILL "$child"
      elif [ $((now - at)) -ge "$secs" ]; then
        printf '%s\n' "$child" >"$job/overdue"
        signal TERM "$child"
      fi
    fi
    measure
    alive "$waiting" "$waits_since" "$boot" && kill -s USR1 "$waiting"
  done
}

# What the runner must know of the arguments; the rest is the payload's.
terms() {
  . "$job/args"
  epoch=$1 timeout=$2 audit=$3
}

# The runner: detached, it owns the job from the token to the rc.
run_job() {
  key=$1 lc=$2 waiting=$3 waits_since=$4 bytes=$5
  job=$dir/jobs/$key
  mkdir "$job/start" 2>/dev/null || exit 0
  since "$$"
  printf '%s %s %s\n' "$$" "$began" "$boot" >"$job/pid"
  [ -e "$job/lost" ] && exit 0
  terms
  exec >>"$job/log" 2>&1 9>>"$dir/lock"
  flock -w "$LOCKWAIT" 9
  case $? in
    0) ;;
    1)
      holder
      refuse busy "${owner:-another job}"
      ;;
    *) refuse busy "the lock cannot be taken, is flock installed?" ;;
  esac
  # The lock is free, but a payload may have outlived its runner.
  n=0
  holder
  while [ -n "$owner" ] && [ "$owner" != "$key" ] && payload_alive "$dir/jobs/$owner"; do
    n=$((n + 1))
    [ "$n" -gt $((LOCKWAIT * 5)) ] && refuse busy "$owner"
    nap
  done
  stored
  if [ "$epoch" -gt "$have" ]; then raise "$epoch" || refuse epoch "the epoch cannot be stored"; fi
  [ "$epoch" -lt "$have" ] && refuse epoch "the host has seen epoch $have, this job has $epoch"
  if [ -e "$job/cancel" ]; then
    : >"$job/cancelled"
    exit 0
  fi
  # Ours to shorten while we hold it.
  [ "$lines" -lt 20 ] || : >"$dir/lock"
  printf '%s\n' "$key" >&9
  cd "$job" || exit 1
  if [ -n "$lc" ]; then LC_ALL=$lc; else unset LC_ALL; fi
  setsid sh "$job/script" "$job" "$bytes" </dev/null 9>&- &
  group=$!
  since "$group"
  printf '%s %s %s\n' "$group" "$began" "$boot" >>"$job/pid"
  LC_ALL=C
  watch 9>&- &
  watcher=$!
  wait "$group"
  rc=$?
  # On a full disk the last words need the room.
  [ "$rc" -eq 0 ] || rm -rf "$job/tree" "$job/tar" "$job/upload"
  if [ -s "$job/ended" ]; then
    wait "$watcher"
    read -r rc reason <"$job/ended"
    printf '%s\n' "$reason" >"$job/reason"
    printf '%s\n' "$reason"
  else
    kill "$watcher"
    # What a command that was ended for its time has left. The daemon that start leaves has a group of its own.
    [ -e "$job/overdue" ] && signal KILL "-$group"
    if [ "$rc" -ne 0 ] && [ ! -s "$job/reason" ]; then printf 'payload: ended with %s\n' "$rc" >"$job/reason"; fi
  fi
  notes
  printf '{%s,"from":"%s","rc":%s}\n' "$audit" "$was" "$rc" >>"$dir/audit.log"
  printf '%s\n' "$rc" >"$job/rc.tmp" && mv -f "$job/rc.tmp" "$job/rc"
  exec 9>&-
  clear_job
  exit 0
}

# Takes the token itself; when it is taken, asks the runner to end the payload, or ends an orphan.
cancel() {
  job=$dir/jobs/$1
  err=$(home 2>&1 && exec mkdir -p "$job" 2>&1) || { say fail "${err%%"$NL"*}" && exit 0; }
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
  err=$(home 2>&1 && exec mkdir -p "$dir/jobs" "$dir/epochs" 2>&1) || { say fail "${err%%"$NL"*}" && exit 0; }
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
  tools='dd head tail wc cat mkdir mv ln rm find date df tar gzip awk sha256sum md5sum flock setsid timeout'
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
  runner) run_job "$@" ;;
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
