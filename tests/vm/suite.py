#!/usr/bin/env python3
"""The real client in a guest of its own kernel, against a host daemon outside.

  suite.py BED BIN_DIRECTORY     A (QEMU) or B (user-mode-linux), and the
                                 programs' directory, build/release/bin

Prints "N passed, N failed"; exits 1 if any failed, and 77 with the name of what
is missing if there can be no such bed here. docs/vm-bed.md tells what they are.
"""

import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from bed import Bed, finish
from guest_image import Missing
from machine import MACHINES, GuestError, start, stop

MOUNT = ("warmfs mount vsock:2:7070 /mnt -o cache=/disk/cache,host_wait=60s")
DIRECTORIES = 12
FILES = 15
BIG_BYTES = 24 << 20
STAT_FORMAT = "%n|%F|%a|%s|%Y|%h|%i"


# --- the host's tree ---------------------------------------------------------

def make_tree(root):
    chance = random.Random(4)
    for d in range(DIRECTORIES):
        directory = root / f"d{d % 4}" / f"sub{d}"
        directory.mkdir(parents=True)
        for f in range(FILES):
            data = chance.randbytes(chance.choice((0, 1, 300, 4096, 20_000)))
            (directory / f"file{f}").write_bytes(data)
    (root / "watched").mkdir()
    (root / "link").symlink_to("d0/sub0/file1")
    os.link(root / "d0/sub0/file2", root / "hard")
    (root / "big").write_bytes(chance.randbytes(BIG_BYTES))


def tree_bytes(root):
    return sum(p.stat().st_size for p in root.rglob("*")
               if p.is_file() and not p.is_symlink() and p.name != "hard")


def native_stat(root):
    return subprocess.run(
        f"find . -exec stat -c '{STAT_FORMAT}' {{}} +", shell=True, cwd=root,
        check=True, capture_output=True, text=True).stdout


def attributes(text):
    """By path, with the words in which two programs call the same thing."""
    table = {}
    for line in text.splitlines():
        name, *rest = line.split("|")
        rest[0] = rest[0].replace("regular empty file", "regular file")
        # A directory's size is the file system's own affair.
        if rest[0] == "directory":
            rest[2] = "-"
        table[name] = rest
    return table


def host_hashes(root):
    return {"./" + str(p.relative_to(root)):
            hashlib.sha256(p.read_bytes()).hexdigest()
            for p in root.rglob("*") if p.is_file() and not p.is_symlink()}


def guest_hashes(bed):
    text = bed.run("cd /mnt && find . -type f -exec sha256sum {} +")
    lines = (line.split("  ", 1) for line in text.splitlines())
    return {name: digest for digest, name in lines}


def same(got, wanted):
    """Two tables are alike, or what differs is named."""
    if got == wanted:
        return
    keys = sorted(k for k in got.keys() | wanted.keys()
                  if got.get(k) != wanted.get(k))
    shown = [f"{k}: {got.get(k)}, not {wanted.get(k)}" for k in keys[:5]]
    raise AssertionError(f"{len(keys)} differ: " + "; ".join(shown))


def equal(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r}, not {wanted!r}")


# --- the mount ---------------------------------------------------------------

def mount(bed):
    bed.run(MOUNT)


def remount(bed):
    bed.run("warmfs umount /mnt")
    # Or what is read afterwards would come from the disk's pages alone.
    bed.run("echo 3 > /proc/sys/vm/drop_caches")
    mount(bed)


def status(bed):
    return json.loads(bed.run("warmfs status --json"))[0]


def fetched_bytes(bed):
    """The content that came from the host, since the mount began."""
    return status(bed)["rpc"]["bytes_read"]


# --- what is promised --------------------------------------------------------

def walk_shows_the_hosts_tree(bed):
    text = bed.run(f"cd /mnt && find . -exec stat -c '{STAT_FORMAT}' {{}} +")
    same(attributes(text), attributes(native_stat(bed.export)))
    equal(bed.run("readlink /mnt/link"), "d0/sub0/file1")


def read_all_gives_the_hosts_bytes(bed):
    same(guest_hashes(bed), host_hashes(bed.export))
    total = tree_bytes(bed.export)
    if fetched_bytes(bed) < total:
        raise AssertionError(f"{total} bytes were read, of which only "
                             f"{fetched_bytes(bed)} were fetched")


def writes_are_on_the_host_when_the_call_returns(bed):
    bed.run("mkdir /mnt/made && cd /mnt/made && printf one > a && "
            "printf two >> a && cp a b && truncate -s 2 b && chmod 640 b && "
            "ln -s a c && ln a d && mkdir e && touch gone && rm gone")
    made = bed.export / "made"
    equal(sorted(os.listdir(made)), ["a", "b", "c", "d", "e"])
    equal((made / "a").read_bytes(), b"onetwo")
    equal((made / "b").read_bytes(), b"on")
    equal((made / "b").stat().st_mode & 0o777, 0o640)
    equal(os.readlink(made / "c"), "a")
    equal((made / "a").stat().st_nlink, 2)
    walk_shows_the_hosts_tree(bed)


def renames_are_seen_on_both_sides(bed):
    made = bed.export / "made"
    bed.run("cd /mnt/made && mv b e/moved && mv e f")
    equal((made / "f/moved").read_bytes(), b"on")
    (made / "f").rename(bed.export / "d0/f")
    bed.run("warmfs sync /mnt")
    equal(bed.try_run("ls /mnt/made/f")[0], 1)
    equal(bed.run("cat /mnt/d0/f/moved"), "on")
    walk_shows_the_hosts_tree(bed)


def big_files_cross_whole_in_both_directions(bed):
    bed.run("cp /mnt/big /mnt/copy")
    equal((bed.export / "copy").read_bytes(), (bed.export / "big").read_bytes())
    (bed.export / "copy").unlink()


def many_readers_at_once_read_the_same(bed):
    remount(bed)
    command = "cd /mnt && find . -type f -exec sha256sum {} + | sort | sha256sum"
    readers = [bed.background(command) for _ in range(6)]
    answers = []
    for reader in readers:
        with reader:
            answers.append(finish(reader))
    equal(len(set(answers)), 1)
    lines = sorted(f"{digest}  {name}\n" for name, digest in
                   host_hashes(bed.export).items())
    expected = hashlib.sha256("".join(lines).encode()).hexdigest()
    equal(answers[0], (0, f"{expected}  -"))


def a_host_edit_is_read_after_a_sync(bed):
    path = bed.export / "d1/sub1/file0"
    for text in ("first", "other", "longer than before"):
        path.write_text(text)
        bed.run("warmfs sync /mnt")
        equal(bed.run("cat /mnt/d1/sub1/file0"), text)


def first_line(reader):
    line = reader.readline().decode().strip()
    if line != "ready":
        raise AssertionError(f"the watcher says {line!r}")


def watchers_get_the_events_of_host_edits(bed):
    watched = bed.export / "watched"
    (watched / "file").write_text("before")
    bed.run("warmfs sync /mnt && ls /mnt/watched")
    native = start([str(bed.bin / "injector_watch"), str(watched)],
                   stdout=subprocess.PIPE)
    guest = bed.background("injector_watch /mnt/watched")
    try:
        with guest.makefile("rb") as reader:
            first_line(native.stdout)
            first_line(reader)
            (watched / "file").write_text("after")
            (watched / "new").write_text("made")
            (watched / "new").rename(watched / "renamed")
            (watched / "renamed").unlink()
            (watched / "stop").touch()
            seen = reader.read().decode().partition("\nexit ")
        equal(seen[2].strip(), "0")
        equal(events(seen[0]), events(native.stdout.read().decode()))
        equal(bed.run("cat /mnt/watched/file"), "after")
    finally:
        stop(native)
        guest.close()


def events(text):
    """What was seen up to the mark; what follows it was seen or not."""
    lines = text.strip().splitlines()
    marks = [i for i, line in enumerate(lines) if line.endswith("CREATE stop")]
    if not marks or not any("file" in line for line in lines):
        raise AssertionError(f"no events: {text!r}")
    return lines[:marks[0]]


def a_host_daemon_that_dies_is_replaced(bed):
    bed.replace_hostd()
    (bed.export / "d2/sub2/file0").write_text("after the daemon's death")
    bed.run("warmfs sync /mnt")
    equal(bed.run("cat /mnt/d2/sub2/file0"), "after the daemon's death")


def a_remount_fetches_nothing(bed):
    guest_hashes(bed)
    remount(bed)
    same(guest_hashes(bed), host_hashes(bed.export))
    equal(fetched_bytes(bed), 0)


def a_reboot_fetches_the_changed_file_alone(bed):
    # Large content is on the disk after a minute, or when the mount ends.
    guest_hashes(bed)
    remount(bed)
    changed = bed.export / "d3/sub3/file4"
    bed.reboot(lambda: changed.write_text("changed while the guest was away"))
    mount(bed)
    same(guest_hashes(bed), host_hashes(bed.export))
    equal(fetched_bytes(bed), changed.stat().st_size)


def a_power_cut_leaves_no_wrong_byte(bed):
    bed.run("printf kept > /mnt/made/last")
    (bed.export / "d3/sub3/file5").write_text("before the cut")
    bed.power_cut()
    equal((bed.export / "made/last").read_bytes(), b"kept")
    mount(bed)
    same(guest_hashes(bed), host_hashes(bed.export))
    bed.run("warmfs umount /mnt")


TESTS = (
    walk_shows_the_hosts_tree,
    read_all_gives_the_hosts_bytes,
    writes_are_on_the_host_when_the_call_returns,
    renames_are_seen_on_both_sides,
    big_files_cross_whole_in_both_directions,
    many_readers_at_once_read_the_same,
    a_host_edit_is_read_after_a_sync,
    watchers_get_the_events_of_host_edits,
    a_host_daemon_that_dies_is_replaced,
    a_remount_fetches_nothing,
    a_reboot_fetches_the_changed_file_alone,
    a_power_cut_leaves_no_wrong_byte,
)


# --- all of it ---------------------------------------------------------------

def run(test, bed):
    name = test.__name__.replace("_", " ")
    began = time.monotonic()
    try:
        test(bed)
        error = None
    except (AssertionError, GuestError, OSError) as problem:
        error = f"{type(problem).__name__}: {problem}"
    seconds = time.monotonic() - began
    print(f"{'FAILED' if error else 'ok    '} {name} ({seconds:.1f} s)",
          flush=True)
    if error:
        print(f"       {error}", flush=True)
    return error is None


def run_all(machine, bin_directory):
    with tempfile.TemporaryDirectory(prefix="warmfs-vm-tree-") as export:
        make_tree(pathlib.Path(export))
        began = time.monotonic()
        with Bed(machine, bin_directory, export) as bed:
            print(f"bed {machine.bed}: {machine.description()}, "
                  f"{bed.run('uname -sr')}, up after "
                  f"{time.monotonic() - began:.1f} s", flush=True)
            mount(bed)
            results = [run(test, bed) for test in TESTS]
    print(f"{sum(results)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


def main(arguments):
    if len(arguments) != 2 or arguments[0] not in MACHINES:
        print(__doc__.strip(), file=sys.stderr)
        return 64
    try:
        return run_all(MACHINES[arguments[0]](), arguments[1])
    except Missing as missing:
        print(f"skipped, no such bed here: {missing}")
        return 77
    except GuestError as error:
        print(f"FAILED {error}\n0 passed, 1 failed")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
