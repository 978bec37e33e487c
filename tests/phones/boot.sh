#!/bin/sh
# Runs first in a phone's own mount and pid namespaces: builds its file system and becomes its
# init. The phone sees this machine's folders, and /data, /sdcard, /proc and processors of its own.
# usage: boot.sh STATE_FOLDER DATA_KIB SDCARD_KIB INIT...
set -eu
state=$1 data_kib=$2 sdcard_kib=$3
shift 3
root=$state/root

mount --make-rprivate /
mkdir -p "$root"
mount -t tmpfs -o size=1m,mode=755 phone "$root"
for entry in /* /.[!.]*; do
    name=${entry#/}
    case $name in data | sdcard | proc | lost+found) continue ;; esac
    if [ -L "$entry" ]; then
        cp -P "$entry" "$root/$name"
    elif [ -d "$entry" ]; then
        mkdir "$root/$name"
        mount --rbind "$entry" "$root/$name"
        # A command that goes wrong on a phone must not reach this machine's files.
        mount -o remount,bind,ro "$root/$name"
    fi
done

mount --bind "$(dirname "$state")" "$root$(dirname "$state")"
mkdir "$root/data" "$root/sdcard" "$root/proc" "$root/.before"
mount -t tmpfs -o "size=${data_kib}k,mode=771" data "$root/data"
mount -t tmpfs -o "size=${sdcard_kib}k,mode=777" sdcard "$root/sdcard"
mkdir -p -m 777 "$root/data/local/tmp"
mount -t proc proc "$root/proc"
mount --bind "$state/meminfo" "$root/proc/meminfo"
mount --bind "$state/cpu" "$root/sys/devices/system/cpu"

cd "$root"
pivot_root . .before
umount -l /.before
rmdir /.before
exec "$@"
