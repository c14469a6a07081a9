#!/bin/sh
# The first process of a guest, in the root file system: makes the machine what the job asks for, runs the command, leaves its output and status in the
# job's folder, and ends the machine. The job, in /run/job: settings.sh (variables below), setup.sh (as root, before), command.sh.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
job=/run/job

finish() {
  echo "$1" >$job/status
  sync
  mount -t proc proc /proc 2>/dev/null
  echo b >/proc/sysrq-trigger
  sleep 60
}

user=0 cgroup=v2 sysctls='' project=/
# shellcheck source=/dev/null
. $job/settings.sh || finish 125
exec >$job/output 2>&1

mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sys /sys
mount -t securityfs security /sys/kernel/security
mount -t devtmpfs -o nosuid dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o nosuid,noexec,mode=620,ptmxmode=666,gid=5 pts /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 shm /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=1777 tmp /tmp
for link in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
  [ -e "/dev/${link%%:*}" ] || ln -s "/proc/self/${link#*:}" "/dev/${link%%:*}"
done
echo guest >/proc/sys/kernel/hostname

groups=/sys/fs/cgroup
own=
if [ "$cgroup" != none ]; then
  mount -t cgroup2 cgroup $groups
  controllers=$(sed 's/[^ ]*/+&/g' $groups/cgroup.controllers)
  echo "$controllers" >$groups/cgroup.subtree_control
  # As systemd does it for a user's session: a subtree of the user's, the command in a leaf of it. Root's command gets a leaf too, since only leaves may
  # hold processes once controllers are on.
  own=$groups/session/main
  mkdir -p $own
  echo "$controllers" >$groups/session/cgroup.subtree_control
  if [ "$cgroup" = delegated ]; then
    for folder in $groups/session $own; do
      chown "$user" "$folder" "$folder/cgroup.procs" "$folder/cgroup.threads" "$folder/cgroup.subtree_control"
    done
  fi
fi
for setting in $sysctls; do
  echo "${setting#*=}" >"/proc/sys/$(echo "${setting%%=*}" | tr . /)" || finish 125
done
[ ! -e $job/setup.sh ] || sh -e $job/setup.sh || finish 125

cd "$project" || finish 125
(
  [ -z "$own" ] || echo 0 >$own/cgroup.procs
  exec setpriv --reuid="$user" --regid="$user" --clear-groups sh $job/command.sh
) </dev/null &
# dash(1) reaps orphans of others while it waits.
wait $!
finish $?
