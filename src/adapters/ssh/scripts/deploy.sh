# Rollcall's deploy script: what is approved by its digest and run once per job on a host, in the job's folder ($1).
# deploy: get, verify, inspect, unpack, then swap; switch: swap back to a release that lies here; remove: stop and drop
# `current`. A failure ends it with "stage: reason" in the file reason. start and stop must return; what start leaves
# running should redirect its own output. stop must exit 0, or leave nothing that answers the health check.
set -fu
job=$1 counted=${2:-0}
. ./args
# The first three are the runner's: epoch, timeout, audit.
shift 3
kind=$1 service=$2 version=$3 root=$4 keep=$5 seconds=$6 unit=$7 sudo=$8 start=$9
shift 9
stop=$1 url=$2 check=$3 patience=$4 passes=$5 delivery=$6 source=$7 algorithm=$8 digest=$9
shift 9
bytes=$1
case $root in '~/'*) root=$HOME/${root#??} ;; esac
# The agent has made the tree; what is unpacked there becomes the release by one rename.
dir=$root/.rollcall release=$root/$version tree=$job/tree tar=$job/tar
NL='
'
apart= locale=${LC_ALL-} LC_ALL=C
export LC_ALL ROLLCALL_SERVICE="$service" ROLLCALL_ROOT="$root" ROLLCALL_VERSION="$version"

stage() {
  stage=$1
  printf '%s\n' "== $stage${2:+: $2}"
}

fail() {
  # On a full disk the reason needs the room that the failed work takes.
  rm -rf "$tree" "$tar" "$job/upload"
  printf '%s: %s\n' "$stage" "${*%%"$NL"*}" >"$job/reason"
  printf '%s: %s\n' "$stage" "$*"
  exit 1
}

# attempt COMMAND: keeps its exit in $rc and the last line of what it complains of in $said; not in a file, the disk may
# be full. Its output goes to $into.
attempt() {
  said=$("$@" 2>&1 >"$into")
  rc=$?
  said=${said##*"$NL"}
}

uptime() {
  read -r now rest </proc/uptime
  now=${now%%.*}
}

# Gives the service's commands the locale of the login back.
speak() { if [ -n "$locale" ]; then LC_ALL=$locale; else unset LC_ALL; fi; }

# bounded SECONDS FOLDER ARGV: the job's watch ends it when its time is over ($late is set then). With $apart it has a
# session of its own: what it leaves running is no part of this job, and hangs with everything it started are ended.
bounded() {
  limit=$1 folder=$2
  shift 2
  if [ -n "$apart" ]; then
    { speak && cd "$folder" && exec setsid "$@"; } </dev/null &
    pid=$! target=-$!
  else
    { speak && cd "$folder" && exec "$@"; } </dev/null &
    pid=$! target=$!
  fi
  printf 'limit %s %s\n' "$limit" "$target" >>"$job/notes"
  wait "$pid"
  rc=$?
  printf 'limit\n' >>"$job/notes"
  late=
  { read -r late <"$job/overdue"; } 2>/dev/null
  if [ "$late" = "$target" ]; then
    # It may have left children that ignore TERM.
    kill -s KILL -- "$target" 2>/dev/null
    [ "$rc" -ne 0 ] || rc=124
  else
    late=
  fi
  return "$rc"
}

# room BYTES: fails when the disk has not that much free. What is small finds out by writing, which fails as cleanly.
room() {
  [ "$1" -gt 33554432 ] || return 0
  free=$(df -Pk "$root" 2>/dev/null)
  set -- "$1" ${free#*"$NL"}
  case ${5-} in '' | *[!0-9]*) return 0 ;; esac
  [ "$(($1 / 1024))" -lt "$5" ] || fail "$(($1 / 1048576)) MB are needed in $root, $(($5 / 1024)) MB are free"
}

download() {
  stage download
  into=/dev/null
  if command -v curl >/dev/null; then
    case $source in https:*) onward='=https' ;; *) onward='=http,https' ;; esac
    attempt curl -fsSL --proto '=http,https' --proto-redir "$onward" --max-redirs 5 --connect-timeout 10 --speed-limit 1 \
      --speed-time 30 -o "$job/upload" --url "$source"
  else
    attempt wget -q -T 30 -t 1 -O "$job/upload" -- "$source"
  fi
  [ "$rc" -eq 0 ] || fail "${said:-the download ended with $rc}"
  stage verify
  set -- $("${algorithm}sum" <"$job/upload")
  [ "${1-}" = "$digest" ] || fail "the artifact's $algorithm is ${1:-unknown}, approved was $digest"
}

# Reads a listing and prints "ok BYTES SETID", or the first member that may not be unpacked: absolute or climbing names, devices, links that
# leave the folder, members that go through a link. `..` is allowed in a symbolic link only at its front and only as far
# up as the folder's top; as no member lies behind a link, that is what the kernel will see, too.
inspect='
function bad(what) { if (!refused) print "refused member " substr(what, 1, 200); refused = 1; exit }
function climbs(path) { return path ~ /(^|[\/ ])\.\.(\/|$)/ }
$0 == "!" { print "not a tar archive"; refused = 1; exit }
/^tar: / { if (/emoving leading/) bad($0); next }
{
  type = substr($0, 1, 1)
  if (match($0, /^[^ ]+ +[^ \/]+\/[^ ]+ +[0-9,]+ +[0-9]+-[0-9]+-[0-9]+ [0-9:]+ /) == 0) bad($0)
  name = substr($0, RLENGTH + 1)
  if (type !~ /[-dlh]/) bad(name)
  if (substr($1, 2) ~ /[sS]/) setid = 1
  total += $3
  target = ""
  arrow = type == "h" ? " link to " : " -> "
  # busybox shows a hard link as a file with an arrow.
  if (type == "-" && index(name, arrow)) type = "h"
  if (type == "l" || type == "h") {
    at = index(name, arrow)
    if (at == 0) bad(name)
    target = substr(name, at + length(arrow))
    if (index(target, arrow) || target == "" || target ~ /^\//) bad(name)
    name = substr(name, 1, at - 1)
  }
  if (name ~ /^\// || climbs(name)) bad(name)
  gsub(/\/+/, "/", name)
  while (sub(/^\.\//, "", name) || sub(/\/\.\//, "/", name)) continue
  sub(/\/\.?$/, "", name)
  if (name == "" || name == ".") { if (type != "d") bad($0); next }
  if (name ~ /^\.rollcall-digest(\/|$)/) bad(name)
  members[++count] = name
  if (type == "h" && climbs(target)) bad(name)
  if (type == "l") {
    depth = gsub(/\//, "/", name)
    for (;;) {
      if (sub(/^\.\.(\/+|$)/, "", target)) depth--
      else if (!sub(/^\.\/+/, "", target)) break
    }
    if (depth < 0 || climbs(target)) bad(name)
    links[name] = 1
  }
}
END {
  if (refused) exit 1
  for (i = 1; i <= count; i++) {
    parts = split(members[i], part, "/")
    path = part[1]
    for (j = 2; j <= parts; j++) {
      if (path in links) bad(members[i])
      path = path "/" part[j]
    }
  }
  if (!refused && count == 0) { print "an archive without members"; exit 1 }
  if (!refused) print "ok", total, setid + 0
}'

# On the disk before it is taken for a release: a power cut must not leave empty files behind a marker that says "whole".
# What is not needed any more need not be written.
settle() {
  : >"$tar"
  : >"$job/upload"
  into=/dev/null
  attempt sync -f "$tree"
  [ "$rc" -eq 0 ] && return
  # An old one knows no -f.
  case $said in *'invalid option'* | *'unrecognized option'*) sync ;; *) fail "cannot be written to the disk: $said" ;; esac
}

unpack() {
  stage unpack "$version"
  into=$tar
  attempt gzip -dc <"$job/upload"
  if [ "$rc" -ne 0 ]; then
    case $said in
      *'not in gzip format'* | *'invalid magic'* | *'corrupted data'*)
        if ! { command -v xz >/dev/null && xz -dc <"$job/upload" >"$tar" 2>/dev/null && [ -s "$tar" ]; }; then
          mv -f "$job/upload" "$tar"
        fi
        ;;
      *'unexpected end'* | *crc* | *corrupt* | *invalid*) fail "not a tar archive (${said#gzip: })" ;;
      *) fail "the archive cannot be expanded: ${said:-gzip ended with $rc}" ;;
    esac
  fi
  # With -P the names are shown as they are; busybox has no -P, and says so in a line of its own when it shortens one.
  verdict=$({
    tar -P --numeric-owner -tvf "$tar" 2>/dev/null || tar --numeric-owner -tvf "$tar" 2>&1 || echo '!'
  } | awk "$inspect")
  case $verdict in 'ok '*) ;; *) fail "${verdict:-the archive cannot be inspected}" ;; esac
  set -- $verdict
  setid=$3
  # A small archive may unpack to a large tree.
  stage=disk
  room "$2"
  stage=unpack
  into=/dev/null
  attempt tar -xf "$tar" -C "$tree" --no-same-owner --no-same-permissions
  [ "$rc" -eq 0 ] || fail "${said:-tar ended with $rc}"
  if [ "$setid" -ne 0 ]; then chmod -R u-s,g-s "$tree" || fail "setuid bits cannot be dropped"; fi
  printf '%s:%s\n' "$algorithm" "$digest" >"$tree/.rollcall-digest" || fail "cannot write to $dir"
  settle
  mv -T "$tree" "$release" || fail "cannot move the release to $release"
}

# Makes $release complete, once.
install() {
  have=
  { read -r have <"$release/.rollcall-digest"; } 2>/dev/null
  if [ "$have" = "$algorithm:$digest" ]; then
    stage unpack "$version lies here complete"
    return
  fi
  # Only failures need it here: what comes first is the download, or the look at the disk.
  stage=unpack
  [ -n "$have" ] && fail "$version lies here with another content ($have, approved was $algorithm:$digest)"
  [ -e "$release" ] && fail "$release is there and was not put there by a whole deploy"
  [ "$delivery" = host ] && download
  [ -f "$job/upload" ] || fail "the artifact was not sent"
  # Beside the artifact lie for a while its expanded archive and the unpacked tree.
  [ "$bytes" -gt 0 ] || bytes=$counted
  [ "$bytes" -gt 0 ] || bytes=$(wc -c <"$job/upload")
  stage disk
  room $((bytes * 3))
  unpack
}

# One health try of the release in $1; $last says how it went.
try() {
  if [ -n "$url" ]; then
    if command -v curl >/dev/null; then
      code=$(curl -s -o /dev/null -m 5 -w '%{http_code}' -- "$url")
      rc=$?
      last="HTTP $code"
      [ "$rc" -eq 0 ] || last="curl exit $rc"
      case $rc$code in 02??) return 0 ;; esac
    else
      wget -q -T 5 -t 1 -O /dev/null -- "$url" 2>/dev/null && return 0
      last="wget exit $?"
    fi
    return 1
  fi
  eval "set -- \"\$1\" $check"
  bounded "$patience" "$@" && return 0
  last="exit $rc"
  [ -z "$late" ] || last="no answer"
  return 1
}

health() {
  stage health
  uptime
  began=$now row=0 good=0 tries=0 last=none
  while :; do
    tries=$((tries + 1))
    if try "$release"; then
      row=$((row + 1)) good=$((good + 1))
      [ "$row" -ge "$passes" ] && return
    else
      row=0
    fi
    uptime
    if [ $((now - began)) -ge "$patience" ]; then
      [ "$good" -gt 0 ] && fail "not $passes good answers in a row in $patience s ($good of $tries were good, last: $last); current is $version"
      [ -n "$url" ] && fail "no 2xx answer from $url in $patience s (last: $last); current is $version"
      fail "$check did not exit 0 in $patience s (last: $last); current is $version"
    fi
    sleep 0.5 2>/dev/null || sleep 1
  done
}

# command STAGE FOLDER ARGV; $after is added to the reason.
command_of() {
  stage=$1 folder=$2
  shift 2
  bounded "$seconds" "$folder" "$@"
  rc=$?
  [ -n "$late" ] && fail "did not return in $seconds s$after"
  return "$rc"
}

service() {
  if [ -n "$sudo" ]; then command_of "$1" / sudo -n systemctl "$2" -- "$unit"; else command_of "$1" / systemctl "$2" -- "$unit"; fi
}

stop_old() {
  [ -n "$old" ] && [ -d "$root/$old" ] || return 0
  [ -n "$unit" ] && [ "$kind" != remove ] && return 0
  stage stop "$old"
  after="; current is still $old"
  ROLLCALL_VERSION=$old
  if [ -n "$unit" ]; then
    service stop stop
  else
    eval "set -- $stop"
    command_of stop "$root/$old" "$@"
  fi
  stopped=$?
  ROLLCALL_VERSION=$version
  [ "$stopped" -eq 0 ] && return 0
  # Nothing to stop is no reason to stay; something that still answers is.
  try "$root/$old" && fail "exit $stopped, and the old release still answers$after"
  printf '%s\n' "stop: exit $stopped, but nothing answers any more; going on"
}

start_new() {
  stage start "$version"
  after="; current is $version, the service may be down"
  if [ -n "$unit" ]; then
    service start restart
  else
    eval "set -- $start"
    apart=1
    command_of start "$release" "$@"
  fi
  rc=$?
  apart=
  [ "$rc" -eq 0 ] || fail "exit $rc$after"
}

point() {
  stage switch "$version"
  ln -sfn "$version" "$dir/current.new" && mv -T "$dir/current.new" "$root/current" || fail "current cannot be switched"
}

in_use() {
  set +f
  users=$(ls -l /proc/[0-9]*/cwd 2>/dev/null)
  set -f
  case $users in *"-> $1"*) return 0 ;; esac
  return 1
}

prune() {
  set +f
  set -- "$root"/*/.rollcall-digest
  set -f
  # One of them is seen through current.
  if [ $# -gt $((keep + 1)) ]; then
    stage prune
    previous=
    { read -r previous <"$dir/previous"; } 2>/dev/null
    slots=$((keep - 1))
    [ -n "$previous" ] && [ "$previous" != "$version" ] && [ -d "$root/$previous" ] && slots=$((slots - 1))
    IFS=$NL
    for mark in $(ls -1t -- "$@"); do
      name=${mark%/*} name=${name##*/}
      case $name in current | "$version" | "$previous") continue ;; esac
      slots=$((slots - 1))
      [ "$slots" -ge 0 ] && continue
      in_use "$root/$name" && continue
      # Out of sight in one step; the runner drops it.
      mv -T "$root/$name" "$job/old.$name" && printf '%s\n' "pruned $name"
    done
  fi
  # Old job folders go after 90 days; before that they are what forbids a second run.
  set +f
  set -- "$dir"/jobs/*
  [ $# -gt 200 ] && find "$dir/jobs" -mindepth 1 -maxdepth 1 -mtime +90 -exec rm -rf {} +
  for left in "$dir"/tmp.*; do
    [ -d "$left" ] && find "$dir" -mindepth 1 -maxdepth 1 -name 'tmp.*' -mtime +1 -exec rm -rf {} + && break
  done
  set -f
}

old=
if [ -L "$root/current" ]; then
  # cd and PWD cost no process; a link that dangles needs one.
  if cd -P "$root/current" 2>/dev/null; then old=$PWD; else old=$(readlink "$root/current"); fi
  cd "$job" || exit 1
  old=${old##*/}
fi
case $old in *[!A-Za-z0-9._+-]*) printf 'from ?\n' >>"$job/notes" ;; *) printf 'from %s\n' "$old" >>"$job/notes" ;; esac

case $kind in
  deploy) install ;;
  switch)
    stage switch
    # Ours appear whole, by rename; one without the marker was laid by hand before our time and may be gone back to.
    [ -d "$release" ] && [ ! -L "$release" ] || fail "$version is not on this host"
    ;;
  remove)
    after=
    stop_old
    stage remove
    rm -f "$root/current" || fail "current cannot be removed"
    exit 0
    ;;
esac
stop_old
[ -n "$old" ] && [ "$old" != "$version" ] && printf '%s\n' "$old" >"$dir/previous"
point
start_new
health
# The marker's time is when the release was last put to use: the order in which releases are dropped.
if [ ! -f "$tar" ] && [ -f "$release/.rollcall-digest" ]; then
  read -r have <"$release/.rollcall-digest" && printf '%s\n' "$have" >"$release/.rollcall-digest"
fi
prune
stage done "$version"
exit 0
