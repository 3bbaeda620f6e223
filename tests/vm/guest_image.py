"""What a bed boots: Debian's kernel, and an initramfs with programs of ours.

Nothing is installed: the kernel's package is downloaded and unpacked into a
cache directory (build/vm of the checkout, or WARMFS_VM_CACHE), where the next
run finds it. What cannot be had is a Missing with its name.
"""

import hashlib
import lzma
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = pathlib.Path(os.environ.get("WARMFS_VM_CACHE", ROOT / "build/vm"))
CLOUD_KERNEL = "linux-image-cloud-amd64"
GENERIC_KERNEL = "linux-image-amd64"  # larger, and with 9p
MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "fuse",
           "virtiofs", "vmw_vsock_virtio_transport")
UML_PACKAGE = "user-mode-linux"
UML_MODULES = ("fuse", "virtiofs", "vmw_vsock_virtio_transport")
DOWNLOAD_SECONDS = 120

INIT = r"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /root /mnt /disk /usr/bin /usr/sbin /sbin /var
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=1777 tmp /tmp
ln -sf /proc/mounts /etc/mtab
for module in $(cat /modules/order); do insmod "/modules/$module.ko"; done
mount -t ext4 "$disk" /disk
export HOME=/root PATH=/opt/bin:/bin:/sbin:/usr/bin:/usr/sbin
ip link set lo up
exec guest-agent 1024
"""


class Missing(Exception):
    """Something that the test-bed needs is not here."""


def tool(name, package):
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not found:
        raise Missing(f"{name} is not here; install {package}")
    return found


# --- the kernel --------------------------------------------------------------

def output_of(*command, **options):
    try:
        return subprocess.run(command, check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=DOWNLOAD_SECONDS, **options).stdout
    except FileNotFoundError as error:
        raise Missing(f"{command[0]} is not here") from error
    except subprocess.CalledProcessError as error:
        raise Missing(f"{' '.join(command)}: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise Missing(f"{' '.join(command)} took too long") from error


def kernel_directory(meta_package):
    """A directory with vmlinux and its modules, downloaded once."""
    return kept_directory(
        meta_package, lambda: current_kernel(meta_package), with_vmlinux)


def uml_directory():
    """A directory with user-mode-linux and its modules, downloaded once."""
    return kept_directory(UML_PACKAGE, lambda: UML_PACKAGE, lambda _: None)


def kept_directory(name, package, finish):
    kept = sorted((CACHE / name).glob("*/complete"))
    if kept:
        return kept[-1].parent
    try:
        directory = download(name, package())
    except Missing:
        # What apt knows may be older than what can be had.
        if os.geteuid() != 0:
            raise
        output_of("apt-get", "update", "-q")
        directory = download(name, package())
    deb = next(directory.glob("*.deb"))
    output_of("dpkg", "-x", str(deb), str(directory / "unpacked"))
    deb.unlink()
    finish(directory)
    (directory / "complete").touch()
    return directory


def current_kernel(meta_package):
    depends = output_of("apt-cache", "depends", meta_package)
    package = re.search(r"Depends: (linux-image-\S+)", depends)
    if not package:
        raise Missing(f"apt does not know {meta_package}; try apt-get update")
    return package[1]


def download(name, package):
    """A directory with the package in it."""
    directory = CACHE / name / package
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    output_of("apt-get", "download", "-q", package, cwd=directory)
    return directory


def with_vmlinux(directory):
    image = next((directory / "unpacked/boot").glob("vmlinuz-*"))
    (directory / "vmlinux").write_bytes(uncompressed(image.read_bytes()))


def uncompressed(image):
    """The vmlinux in a bzImage: QEMU enters it directly (PVH), which is seconds
    faster than letting the guest unpack itself. Documentation/x86/boot.rst."""
    sectors = image[0x1F1] or 4
    start = (sectors + 1) * 512 + int.from_bytes(image[0x248:0x24C], "little")
    length = int.from_bytes(image[0x24C:0x250], "little")
    # The last four bytes are the size of what is packed.
    payload = image[start:start + length - 4]
    if payload.startswith(b"\xfd7zXZ\0"):
        return lzma.decompress(payload)
    for magic, name in ((b"\x02\x21\x4c\x18", "lz4"),
                        (b"\x28\xb5\x2f\xfd", "zstd"), (b"\x1f\x8b", "gzip")):
        if payload.startswith(magic):
            unpack = tool(name, name)
            return subprocess.run([unpack, "-dc"], input=payload, check=True,
                                  stdout=subprocess.PIPE).stdout
    raise Missing("a kernel that is packed as this script does not know")


# --- its modules -------------------------------------------------------------

class Modules:
    """Kernel modules by name, in the order in which they can be loaded."""

    def __init__(self, directory):
        root = next(directory.glob("unpacked/**/modules.builtin")).parent
        self.files = {self.name(f): f for f in root.rglob("*.ko*")}
        self.builtin = {self.name(pathlib.Path(line)) for line in
                        (root / "modules.builtin").read_text().splitlines()}
        self.order = []
        self.content = {}

    @staticmethod
    def name(path):
        return path.name.split(".ko")[0].replace("-", "_")

    def add(self, name):
        if name in self.content or name in self.builtin:
            return
        if name not in self.files:
            raise Missing(f"the kernel has no module {name}")
        data = self.files[name].read_bytes()
        if self.files[name].suffix == ".xz":
            data = lzma.decompress(data)
        # The package has no modules.dep: depmod makes it when it is installed.
        depends = re.search(rb"\0depends=([^\0]*)\0", data)
        for other in depends[1].decode().split(",") if depends else ():
            if other:
                self.add(other.replace("-", "_"))
        self.content[name] = data
        self.order.append(name)


# --- the initramfs -----------------------------------------------------------

class Archive:
    """A cpio archive ("newc"), as the kernel unpacks it."""

    def __init__(self):
        self.parts = []
        self.made = set()

    def file(self, path, data, mode=0o100644):
        parent = os.path.dirname(path)
        if parent and parent not in self.made:
            self.file(parent, b"", 0o040755)
        if path in self.made:
            return
        self.made.add(path)
        self.entry(path, data, mode)

    def directory(self, directory):
        """Files and symbolic links, at the same path."""
        for path in sorted(directory.rglob("*")):
            name = str(path).lstrip("/")
            if path.is_symlink():
                self.file(name, os.readlink(path).encode(), 0o120777)
            elif path.is_file():
                self.file(name, path.read_bytes(), path.stat().st_mode)

    def entry(self, path, data, mode):
        name = path.encode() + b"\0"
        fields = (len(self.made), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0,
                  len(name), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        for part in (head, data):
            self.parts.append(part + b"\0" * (-len(part) % 4))

    def bytes(self):
        self.entry("TRAILER!!!", b"", 0)
        return b"".join(self.parts)


def base_archive(kernel, names):
    """What does not change between builds of ours: busybox and modules."""
    wanted = hashlib.sha256(" ".join(names).encode()).hexdigest()[:8]
    kept = kernel / f"base-{wanted}.cpio"
    busybox = tool("busybox", "busybox-static")
    if kept.exists():
        return kept.read_bytes()
    if "libc" in subprocess.run(["ldd", busybox], capture_output=True,
                                text=True, check=False).stdout:
        raise Missing("busybox is linked with libraries; install "
                      "busybox-static")
    modules = Modules(kernel)
    for name in names:
        modules.add(name)
    archive = Archive()
    archive.file("bin/busybox", pathlib.Path(busybox).read_bytes(), 0o100755)
    for name, data in modules.content.items():
        archive.file(f"modules/{name}.ko", data)
    archive.file("modules/order", "\n".join(modules.order).encode())
    kept.write_bytes(archive.bytes())
    return kept.read_bytes()


def libraries(program):
    """The shared libraries of a program, the loader too."""
    text = output_of("ldd", str(program))
    return re.findall(r"(/\S+) \(0x", text)


def stripped(program):
    """Without its debug information, which is most of it; made once."""
    stat = program.stat()
    key = f"{program} {stat.st_mtime_ns} {stat.st_size}".encode()
    kept = CACHE / "stripped" / hashlib.sha256(key).hexdigest()[:16]
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        for old in kept.parent.glob("*"):
            if old.stat().st_mtime < stat.st_mtime:
                old.unlink()
        output_of("strip", "-o", str(kept) + ".new", str(program))
        os.rename(str(kept) + ".new", kept)
    return kept.read_bytes()


def initramfs(kernel, modules, programs, directories):
    """The base, and a second archive with what the job brings."""
    archive = Archive()
    archive.file("init", INIT.encode(), 0o100755)
    archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    archive.file("etc/group", b"root:x:0:\n")
    for program in programs:
        archive.file(f"opt/bin/{program.name}", stripped(program), 0o100755)
        for library in libraries(program):
            data = pathlib.Path(library).read_bytes()
            archive.file(library.lstrip("/"), data, 0o100755)
    for directory in directories:
        archive.directory(directory)
    return base_archive(kernel, modules) + archive.bytes()
