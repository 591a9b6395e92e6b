# The runner of one job: detached, it owns the job from the token to the rc. It is stored behind job.sh in the job's folder
# and started as: sh runner ROOT KEY LC_ALL WAITING BYTES. WAITING is the pid of the call that waits for us, BYTES the size
# of the upload, or 0.
below "$1"
key=$2 lc=$3 waiting=$4 bytes=$5
job=$dir/jobs/$key

refuse() {
  printf '%s\n' "$*" >"$job/refused"
  clear_job
  exit 0
}

uptime() {
  read -r now rest </proc/uptime
  now=${now%%.*}
}

# The key of the job that had the lock last.
holder() {
  owner= lines=0
  while read -r each; do owner=$each lines=$((lines + 1)); done <"$dir/lock"
}

# Wakes the call that waits, if it is still there: our parent then, so it is no number that was given out again.
wake() {
  { read -r line <"/proc/$$/stat"; } 2>/dev/null || return
  set -- ${line##*) }
  [ "$2" = "$waiting" ] && kill -s USR1 "$waiting"
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
    wake
  done
}

# What the runner must know of the arguments; the rest is the payload's.
terms() {
  . "$job/args"
  epoch=$1 timeout=$2 audit=$3
}

run_job() {
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
  # Our place in the log, which the payload shares, is the end of it.
  { read -r each whole </proc/self/fdinfo/1; } 2>/dev/null || whole=
  printf '%s %s\n' "$rc" "$whole" >"$job/rc.tmp" && mv -f "$job/rc.tmp" "$job/rc"
  exec 9>&-
  clear_job
  exit 0
}

run_job
