#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The first process of the vm: mounts the files of the machine that started it, which are read-only,
# with what is written to them in memory, and runs the command there.
bb=/bin/busybox
$bb mkdir -p /proc /lower /upper /root
$bb mount -t proc proc /proc
for module in $($bb cat /modules.list); do $bb insmod "/modules/$module"; done
$bb mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose root /lower
$bb mount -t tmpfs tmpfs /upper
$bb mkdir /upper/changed /upper/work
$bb mount -t overlay -o lowerdir=/lower,upperdir=/upper/changed,workdir=/upper/work overlay /root
$bb mount -t proc proc /root/proc
$bb mount -t sysfs sysfs /root/sys
$bb mount -t devtmpfs devtmpfs /root/dev
$bb mkdir -p /root/dev/shm /root/dev/pts
$bb ln -s /proc/self/fd /root/dev/fd
for number in "0 stdin" "1 stdout" "2 stderr"; do $bb ln -s "fd/${number% *}" "/root/dev/${number#* }"; done
for folder in dev/shm run tmp; do $bb mount -t tmpfs tmpfs "/root/$folder"; done
$bb mount -t devpts devpts /root/dev/pts
$bb cp /command /root/run/command
exec $bb switch_root /root /bin/sh /run/command
