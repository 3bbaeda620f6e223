"""What bench-peers has each share do, in the guest, and in which states.

A work takes a share that is mounted and gives milliseconds by name. What it sees
is checked: a share that shows other files than the host's has failed.
"""

import io
import os
import pathlib
import random
import subprocess
import tarfile
import time

from machine import GuestError
import peer_npm

# Cold: mounted anew, warmfs with an empty cache. Remounted: mounted anew, warmfs
# with its cache on the virtual disk. Warm: the same once more.
STATES = ("cold", "remounted", "warm")
WORKS = ("walk", "read", "git status", "page")
ONCE = ("unpack", "npm install", "edit read", "edit event")

PAGE_FILES = 100
UNPACK_FILES = 200
EDIT_SECONDS = 5
UNPACK_TAR = "/tmp/unpack.tar"
INDEX = "/tmp/index"
GIT_CONFIGURATION = r"[safe]\n directory = *\n"


# --- the host's tree -------------------------------------------------------------

def make_tree(root, files):
    """`src`, `page`, `edited`, a tar and what npm is given, in a git work tree."""
    chance = random.Random(6)
    for number in range(files):
        directory = root / f"src/d{number // 200}/sub{number // 20 % 10}"
        directory.mkdir(parents=True, exist_ok=True)
        data = chance.randbytes(chance.choice((200, 1500, 4000, 12_000)))
        (directory / f"file{number}").write_bytes(data)
    (root / "page").mkdir()
    for number in range(PAGE_FILES):
        data = chance.randbytes(chance.choice((500, 2000, 8000, 30_000)))
        (root / f"page/module{number}.js").write_bytes(data)
    (root / "edited").mkdir()
    (root / "edited/file").write_text("edit 000000\n")
    (root / "unpack.tar").write_bytes(small_files(chance))
    peer_npm.make_tree(root, chance)
    # Older than the index, or git reads them all each time.
    past = time.time() - 1000
    for path in root.rglob("*"):
        os.utime(path, (past, past))
    for words in (["init", "-q"], ["add", "src", "page"],
                  # SMB has no modes of files.
                  ["config", "core.fileMode", "false"],
                  ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q",
                   "-m", "tree"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    (root / ".git/info/exclude").write_text(
        "/edited\n/unpack*\n/npm\n/packages\n")


def small_files(chance):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for number in range(UNPACK_FILES):
            entry = tarfile.TarInfo(
                f"unpacked/d{number // 20}/file{number}")
            entry.size = chance.choice((100, 1000, 4000))
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(chance.randbytes(entry.size)))
    return data.getvalue()


def prepare_guest(bed):
    """With something mounted at /mnt."""
    bed.run("cp -a /mnt /disk/tree && cp -a /mnt /tmp/tree && "
            f"cp /mnt/unpack.tar {UNPACK_TAR} && "
            f"cp -a /mnt/packages {peer_npm.TARS} && "
            f"cp /mnt/.git/index {INDEX}.base && "
            f"printf '{GIT_CONFIGURATION}' > /root/.gitconfig")


# --- works -----------------------------------------------------------------------

def numbers(text):
    words = text.split()
    return dict(zip(words[::2], map(float, words[1::2])))


def timed(bed, command):
    result = numbers(bed.run(f"work-timer run \"{command}\""))
    if result["exit"] != 0:
        raise GuestError(f"{command}: exit code {result['exit']:.0f}")
    return result["run"]


def tree(bed, peer, files):
    result = numbers(bed.run(f"work-timer tree {peer.tree}/src"))
    if result["files"] != files:
        raise GuestError(f"{result['files']:.0f} files, not {files}")
    return {"walk": result["walk"], "read": result["read"]}


def git_status(bed, peer, _):
    """With an index of its own, or each share would find another's."""
    return {"git status": timed(
        bed, f"cd {peer.tree} && export GIT_INDEX_FILE={INDEX} && "
             "test -z \\\"\\$(git status --porcelain)\\\"")}


def fetch_page(bed, peer):
    return numbers(bed.run(f"page-fetch {peer.tree}/page {PAGE_FILES}"))


def unpack(bed, peer):
    bed.run(f"rm -rf {peer.tree}/unpacked")
    result = timed(bed, f"cd {peer.tree} && tar xf {UNPACK_TAR}")
    if peer.is_share:
        arrived = sum(p.is_file() for p in
                      (bed.export / "unpacked").rglob("*"))
        if arrived != UNPACK_FILES:
            raise GuestError(f"{arrived} files arrived on the host, not "
                             f"{UNPACK_FILES}")
    bed.run(f"rm -rf {peer.tree}/unpacked")
    return {"unpack": result}


def npm_install(bed, peer):
    if not bed.npm:
        return {}
    peer_npm.clean(bed, peer)
    result = timed(bed, peer_npm.command(bed, peer))
    peer_npm.check(bed, peer)
    peer_npm.clean(bed, peer)
    return {"npm install": result}


def edit(bed, peer):
    """Milliseconds from a write on the host until the guest's word of it; none if
    that does not come in time."""
    file = bed.export / "edited/file"
    number = int(file.read_text().split()[1]) + 1
    seen = {}
    with bed.background(f"edit-watch {peer.tree}/edited/file "
                        f"{EDIT_SECONDS}") as guest:
        with guest.makefile("rb") as lines:
            if lines.readline() != b"ready\n":
                raise GuestError("edit-watch does not start")
            began = time.monotonic()
            descriptor = os.open(file, os.O_WRONLY)
            os.write(descriptor, b"edit %06d\n" % number)
            os.close(descriptor)
            while (line := lines.readline()) and not line.startswith(b"exit"):
                if line.strip():
                    seen[f"edit {line.decode().strip()}"] = (
                        time.monotonic() - began) * 1000
    return {name: seen.get(name) for name in ("edit read", "edit event")}


# --- a run -----------------------------------------------------------------------

def mount(bed, peer):
    bed.run("sync; echo 3 > /proc/sys/vm/drop_caches")
    bed.run(peer.mount)


def run_once(bed, peer, files, note):
    """One run of one share; `note` takes work, state and milliseconds."""
    for work in (tree, git_status):
        bed.run(f"cp {INDEX}.base {INDEX}")
        bed.run(peer.empty)
        for state in STATES:
            if state != "warm":
                mount(bed, peer)
            for name, time_ms in work(bed, peer, files).items():
                note(name, state, time_ms)
            if state != "remounted":
                bed.run(peer.unmount)
    bed.run(peer.empty)
    mount(bed, peer)
    result = fetch_page(bed, peer)
    note("page", "cold", result["first"])
    note("page", "warm", result["second"])
    bed.run(peer.unmount)
    mount(bed, peer)
    note("page", "remounted", fetch_page(bed, peer)["first"])
    done = unpack(bed, peer) | npm_install(bed, peer)
    if peer.is_share:
        done |= edit(bed, peer)
    for name, time_ms in done.items():
        note(name, "once", time_ms)
    bed.run(peer.unmount)
