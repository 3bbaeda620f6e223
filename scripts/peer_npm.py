"""`npm install` in a share, of made-up packages: no registry is asked.

The packages are tars on the guest's tmpfs; what npm makes of them (node_modules
and a lock file) is written to the share. node and npm are the host's own.
"""

import io
import json
import pathlib
import tarfile

from guest_image import tool
from machine import GuestError

PACKAGES = 30
FILES = 10  # of each, package.json among them
INSTALLED = PACKAGES * FILES
TARS = "/tmp/packages"
OPTIONS = ("--offline --ignore-scripts --no-audit --no-fund --no-update-notifier "
           "--loglevel=error --cache=/tmp/npm-cache")


def bring(bed):
    """Before the guest is made; a Missing if node or npm is not here."""
    node = pathlib.Path(tool("node", "nodejs"))
    script = pathlib.Path(tool("npm", "npm")).resolve()
    package = script.parent.parent
    # Debian's npm uses the packages beside it.
    directory = package.parent if package.parent.name == "nodejs" else package
    bed.other_programs.append(node)
    bed.directories.append(directory)
    bed.npm = f"node {script}"


def make_tree(root, chance):
    """A package.json in `npm`, and the tars that it names in `packages`."""
    (root / "npm").mkdir()
    (root / "packages").mkdir()
    names = [f"made-up-{number}" for number in range(PACKAGES)]
    for name in names:
        (root / f"packages/{name}.tgz").write_bytes(package(name, chance))
    (root / "npm/package.json").write_text(json.dumps({
        "name": "example", "version": "1.0.0", "private": True,
        "dependencies": {name: f"file:{TARS}/{name}.tgz" for name in names}}))


def package(name, chance):
    files = {"package.json": json.dumps({"name": name, "version": "1.0.0"}).encode()}
    for number in range(1, FILES):
        size = chance.choice((200, 1500, 4000, 12_000))
        files[f"lib/file{number}.js"] = chance.randbytes(size // 2).hex().encode()
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(f"package/{path}")
            entry.size = len(content)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def command(bed, peer):
    return f"cd {peer.tree}/npm && {bed.npm} install {OPTIONS}"


def clean(bed, peer):
    bed.run(f"cd {peer.tree}/npm && rm -rf node_modules package-lock.json")


def check(bed, peer):
    """That npm has installed all, as the host sees it."""
    if not peer.is_share:
        return
    arrived = sum(p.is_file() for p in
                  (bed.export / "npm/node_modules").glob("made-up-*/**/*"))
    if arrived != INSTALLED:
        raise GuestError(f"npm: {arrived} files arrived on the host, not "
                         f"{INSTALLED}")
