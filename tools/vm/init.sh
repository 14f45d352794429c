#!/bin/busybox sh
# The machine's first process: from nothing to the host's files, read only, below a layer in memory. Then guest.sh.
fail() {
  /bin/busybox echo "skep vm: $1"
  /bin/busybox poweroff -f
}

/bin/busybox mkdir -p /bin /proc /sys /dev /below /above /root
/bin/busybox --install -s /bin
PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
while read -r module; do insmod "/modules/$module" || echo "skep vm: no module $module"; done </modules/order

transport=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "ro,cache=loose,$transport" root /below || fail "cannot mount the host's files"
mount -t tmpfs -o size=75%,mode=755 above /above
mkdir /above/files /above/work
layers=lowerdir=/below,upperdir=/above/files,workdir=/above/work
mount -t overlay -o "$layers,index=off,xino=off" root /root || fail "cannot lay a layer over the host's files"
for folder in proc sys dev; do mount --move "/$folder" "/root/$folder"; done
mount -t tmpfs -o mode=755 run /root/run
mkdir -p /root/run/lock /root/run/skep-vm
cp /bin/busybox /guest.sh /command /settings /root/run/skep-vm/
while read -r tag folder; do
  mkdir -p "/root$folder"
  mount -t 9p -o "rw,cache=mmap,access=any,$transport" "$tag" "/root$folder" || fail "cannot mount $folder"
done </shares
exec switch_root /root /run/skep-vm/busybox sh /run/skep-vm/guest.sh
