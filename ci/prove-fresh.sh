#!/bin/sh
# Proves that the README's two commands work on a machine that never saw the project: a bare Debian 12 made by
# debootstrap, a clean clone of the last commit, `./tessera run`, `./tessera test`. Needs root, git, debootstrap and the
# network for Debian packages; downloads are kept in .cache/fresh for the next time.
#
#   ci/prove-fresh.sh                   both commands
#   ci/prove-fresh.sh run hello         one command of one's own instead
set -eu

root=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
cache=$root/.cache/fresh
base=$cache/bookworm
machine=$cache/machine

fail() {
    echo "prove-fresh: $*" >&2
    exit 1
}

# Only what this script mounted; never remove a tree with something mounted in it.
leave() {
    for point in dev/pts proc var/cache/apt/archives; do
        if mountpoint -q "$machine/$point"; then
            umount "$machine/$point"
        fi
    done
}

in_machine() {
    chroot "$machine" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        sh -c 'cd /root/tessera && exec "$@"' sh "$@"
}

[ "$(id -u)" = 0 ] || fail "must run as root: chroot and mounts need it"
for tool in debootstrap git chroot mountpoint flock; do
    command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing: apt-get install -y debootstrap git"
done

mkdir -p "$cache/packages/partial"
# Two runs at once would take each other's machine apart.
exec 9>"$cache/lock"
flock --nonblock 9 || fail "another run is under way"
if [ ! -e "$base/.complete" ]; then
    echo "==> Making a bare Debian 12"
    rm -rf "$base"
    debootstrap --variant=minbase bookworm "$base" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
    : >"$base/.complete"
fi

leave
rm -rf "$machine"
cp -a "$base" "$machine"
trap leave EXIT
trap 'exit 130' INT TERM
mount -t proc proc "$machine/proc"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$machine/dev/pts" # terminals, as any machine has them
ln -sf pts/ptmx "$machine/dev/ptmx"
mount --bind "$cache/packages" "$machine/var/cache/apt/archives"
cp -L /etc/resolv.conf "$machine/etc/resolv.conf"
git clone --quiet --no-hardlinks "$root" "$machine/root/tessera"
echo "==> A bare Debian 12 with a clone of $(git -C "$root" rev-parse --short HEAD)"

if [ $# -gt 0 ]; then
    in_machine ./tessera "$@"
else
    in_machine ./tessera run
    in_machine ./tessera test
fi
echo "==> Proved."
