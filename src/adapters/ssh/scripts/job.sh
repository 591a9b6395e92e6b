# What both sides of a job know: the call that submits and follows it (agent.sh), and the runner that owns it (runner.sh).
# <root>/.rollcall/jobs/KEY holds: script, args, runner, upload, tree/ (becomes the release); then
#   start/     the token: whoever makes this folder may run the job, nobody else ever
#   pid        "PID START BOOT" of the runner, then of the payload's leader; START tells a reused number apart
#   log reason notes   written by the payload while it runs; notes: "from VERSION", "limit SECONDS TARGET", "limit"
#   cancel     asked to end; cancelled = ended before the payload began; lost = declared lost before it had a pid
#   ended      "RC REASON" when the watch ended the payload; refused = "WHY DETAIL"
#   rc         "RC BYTES-OF-LOG", last of all, by rename: the job is done and its log is whole
# Beside jobs/ lie lock (its last line is the key of who had it last), epochs/, previous and audit.log.
# Few processes and few files: on a small host they are what a deploy costs (about 1 ms each), not the bytes.
set -fu
LOGCAP=8388608 LOCKWAIT=5 GRACE=5
CUT='[rollcall: the rest of the output was cut]'
NL='
'
boot=unknown
{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null

# below ROOT: where everything lies. ~/ is the home folder of whoever signs in, for a user without root's rights.
below() {
  root=$1
  case $root in '~/'*) root=$HOME/${root#??} ;; esac
  dir=$root/.rollcall
}

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

# $whole is the size of the log when the job ended.
verdict() {
  if { read -r rc whole <"$job/rc"; } 2>/dev/null; then
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

nap() { sleep 0.2 2>/dev/null || sleep 1; }

# Gives the space back. Emptying needs no process; folders are there after a failure or when releases were pruned.
clear_job() {
  for each in upload script runner tar; do [ -s "$job/$each" ] && : >"$job/$each"; done
  set +f
  for each in "$job/tree" "$job"/old.*; do [ -d "$each" ] && rm -rf "$each"; done
  set -f
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

# $was, $secs and $child as the payload has last noted them.
notes() {
  was= secs= child=
  [ -s "$job/notes" ] || return 0
  while read -r word one two; do
    case $word in from) was=$one ;; limit) secs=$one child=$two ;; esac
  done <"$job/notes"
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
