# The machine's first process once the host's files are there: mounts what a system has, runs the command, tells its
# exit status, and switches the machine off.
busybox=/run/skep-vm/busybox
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
# KERNEL_MODULES, KERNEL_VERSION, LOAD, FOLDER
. /run/skep-vm/settings

$busybox mkdir -p /dev/pts /dev/shm /lib/modules
$busybox mount -t devpts -o ptmxmode=666 pts /dev/pts
$busybox mount -t tmpfs shm /dev/shm
$busybox mount -t cgroup2 cgroup /sys/fs/cgroup
$busybox mount --make-rshared /
$busybox ln -s /proc/self/fd /dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do
  $busybox ln -s "/proc/self/fd/${stream%:*}" "/dev/${stream#*:}"
done
[ -e "/lib/modules/$KERNEL_VERSION" ] || $busybox ln -s "$KERNEL_MODULES" "/lib/modules/$KERNEL_VERSION"
# The kernel asks this program for what it lacks.
[ -x /sbin/modprobe ] || $busybox ln -s $busybox /sbin/modprobe
for module in $LOAD; do /sbin/modprobe "$module" || echo "skep vm: no module $module" >&2; done
$busybox ip link set lo up
$busybox hostname skep-vm

port() {
  for folder in /sys/class/virtio-ports/*; do
    [ "$($busybox cat "$folder/name")" != "$1" ] || echo "/dev/${folder##*/}"
  done
}
# A port can be opened only once, a pipe by everybody who writes to /dev/stderr.
$busybox mkfifo /run/skep-vm/out /run/skep-vm/err
$busybox cat </run/skep-vm/out >"$(port out)" &
out=$!
$busybox cat </run/skep-vm/err >"$(port err)" &
err=$!
cd "$FOLDER" 2>/dev/null || cd /
# The system's own shell: in busybox's, busybox's own commands would come before the system's.
$busybox setsid /bin/sh /run/skep-vm/command </dev/null >/run/skep-vm/out 2>/run/skep-vm/err
status=$?
# What the command left running would keep the pipes open.
for process in /proc/[0-9]*; do
  process=${process#/proc/}
  case $process in 1 | "$out" | "$err") continue ;; esac
  [ ! -e "/proc/$process/exe" ] || kill -9 "$process" 2>/dev/null
done
wait "$out" "$err"
$busybox sync
echo "$status" >"$(port status)"
$busybox poweroff -f
