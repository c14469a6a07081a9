#!/bin/busybox sh
# The first process of a guest, in its initramfs: finds the shared root file system of the machine that runs it, lays a throw-away layer over it, and goes
# on with the project's own guest.sh in there. On the kernel's command line: cloister.project=FOLDER.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in /modules/*.ko; do
  [ ! -e "$module" ] || insmod "$module"
done

# The device appears a moment after its driver.
tries=0
until mount -t virtiofs -o ro root /lower; do
  tries=$((tries + 1))
  [ $tries -lt 50 ] || reboot -f
  sleep 0.1
done
mount -t tmpfs -o mode=755,size=75% upper /upper
mkdir /upper/files /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work root /new || reboot -f
mount -t tmpfs -o mode=755 run /new/run
mkdir /new/run/job
mount -t virtiofs job /new/run/job || reboot -f
ip link set lo up

project=$(sed 's/.*cloister\.project=\([^ ]*\).*/\1/' /proc/cmdline)
umount /sys /proc
exec switch_root /new /bin/sh "$project/test/matrix/guest.sh"
