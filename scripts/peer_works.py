"""What bench-peers has each share do, in the guest, and in which states.

A work takes a share that is mounted and gives milliseconds by name. What it sees
is checked: a share that shows other files than the host's has failed.
"""

import io
import json
import os
import pathlib
import random
import subprocess
import tarfile
import time

from guest_image import tool
from machine import GuestError

# Cold: mounted anew, warmfs with an empty cache. Remounted: mounted anew, warmfs
# with its cache on the virtual disk. Warm: the same once more.
STATES = ("cold", "remounted", "warm")
WORKS = ("walk", "read", "git status", "page")
ONCE = ("unpack", "npm install", "edit read", "edit event")

PAGE_FILES = 100
UNPACK_FILES = 200
EDIT_SECONDS = 5
UNPACK_TAR = "/tmp/unpack.tar"
NPM_PACKAGES = 30
NPM_FILES = 10  # of each, package.json among them
NPM_TARS = "/tmp/packages"
NPM_OPTIONS = ("--offline --ignore-scripts --no-audit --no-fund "
               "--no-update-notifier --loglevel=error --cache=/tmp/npm-cache")
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
    make_packages(root, chance)
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
    return tar_of({
        f"unpacked/d{number // 20}/file{number}":
            chance.randbytes(chance.choice((100, 1000, 4000)))
        for number in range(UNPACK_FILES)})


def make_packages(root, chance):
    """A package.json in `npm`, and the tars that it names in `packages`."""
    (root / "npm").mkdir()
    (root / "packages").mkdir()
    names = [f"made-up-{number}" for number in range(NPM_PACKAGES)]
    for name in names:
        files = {"package/package.json": json.dumps(
            {"name": name, "version": "1.0.0"}).encode()}
        for number in range(1, NPM_FILES):
            size = chance.choice((200, 1500, 4000, 12_000))
            files[f"package/lib/file{number}.js"] = (
                chance.randbytes(size // 2).hex().encode())
        (root / f"packages/{name}.tgz").write_bytes(tar_of(files, "w:gz"))
    (root / "npm/package.json").write_text(json.dumps({
        "name": "example", "version": "1.0.0", "private": True,
        "dependencies": {
            name: f"file:{NPM_TARS}/{name}.tgz" for name in names}}))


def tar_of(files, mode="w"):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


# --- the guest -------------------------------------------------------------------

def bring_npm(bed):
    """Before the guest is made; a Missing if node or npm is not here."""
    node = pathlib.Path(tool("node", "nodejs"))
    script = pathlib.Path(tool("npm", "npm")).resolve()
    package = script.parent.parent
    # Debian's npm uses the packages beside it.
    directory = package.parent if package.parent.name == "nodejs" else package
    bed.other_programs.append(node)
    bed.directories.append(directory)
    bed.npm = f"node {script}"


def prepare_guest(bed):
    """With something mounted at /mnt."""
    bed.run("cp -a /mnt /disk/tree && cp -a /mnt /tmp/tree && "
            f"cp /mnt/unpack.tar {UNPACK_TAR} && "
            f"cp -a /mnt/packages {NPM_TARS} && "
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
    return {"unpack": timed_making(
        bed, peer, "unpacked", f"cd {peer.tree} && tar xf {UNPACK_TAR}",
        UNPACK_FILES)}


def npm_install(bed, peer):
    """Of made-up packages, so that no registry is asked: npm writes node_modules
    and a lock file to the share."""
    if not bed.npm:
        return {}
    bed.run(f"rm -f {peer.tree}/npm/package-lock.json")
    return {"npm install": timed_making(
        bed, peer, "npm/node_modules",
        f"cd {peer.tree}/npm && {bed.npm} install {NPM_OPTIONS}",
        # And a lock file of its own.
        NPM_PACKAGES * NPM_FILES + 1)}


def timed_making(bed, peer, directory, command, files):
    """A command that makes a directory with so many files, which is not there
    before, nor afterwards."""
    remove = f"rm -rf {peer.tree}/{directory}"
    bed.run(remove)
    result = timed(bed, command)
    if peer.is_share:
        arrived = sum(p.is_file() for p in (bed.export / directory).rglob("*"))
        if arrived != files:
            raise GuestError(f"{arrived} files arrived on the host, not {files}")
    bed.run(remove)
    return result


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
