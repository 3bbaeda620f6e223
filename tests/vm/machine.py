"""What runs a guest: QEMU (bed A) or user-mode-linux (bed B).

A machine knows its kernel, how it is started and how its console is read; all
else of a test-bed is the same for both, bed.py. It is given a directory in
which the vsock device's socket and the disk are, and puts its initramfs there.
"""

import contextlib
import os
import pathlib
import queue
import subprocess
import threading

import guest_image
from guest_image import Missing, tool

MEMORY = "1G"


class GuestError(Exception):
    pass


def start(command, **options):
    """A process that ends with this one."""
    setpriv = tool("setpriv", "util-linux")
    return subprocess.Popen([setpriv, "--pdeathsig", "KILL", *command],
                            stdin=subprocess.DEVNULL, **options)


def stop(process):
    process.kill()
    process.wait()


def with_children(command):
    """For a program that starts others: all end when it does."""
    words = [tool("unshare", "util-linux"), "--pid", "--fork", "--kill-child"]
    if os.geteuid() != 0:
        words.append("--map-root-user")
    return [*words, *command]


class Console:
    """The guest's console, line by line: kept, and waited for."""

    def __init__(self, stream, log):
        self.lines = queue.Queue()
        self.tail = []
        self.thread = threading.Thread(target=self.follow, args=(stream, log),
                                       daemon=True)
        self.thread.start()

    def follow(self, stream, log):
        with stream, open(log, "ab", buffering=0) as file:
            for line in stream:
                file.write(line)
                self.lines.put(line.decode(errors="replace").strip())
        self.lines.put(None)

    def await_line(self, wanted, seconds):
        """False if it does not come, or the machine ends."""
        with contextlib.suppress(queue.Empty):
            while (line := self.lines.get(timeout=seconds)) is not None:
                self.tail = self.tail[-19:] + [line]
                if wanted in line:
                    return True
        return False


class Machine:
    """One guest, started any number of times."""

    # A reset takes TCG longer than a start: the memory is full of code that it
    # has translated.
    boot_seconds = 150

    def __init__(self):
        self.more_modules = ()
        self.more_words = []  # of the command, for further devices
        self.process = self.console = self.at = self.kernel = None

    def prepare(self, at, programs, directories):
        """Once, before the first start."""
        self.at = at
        (at / "initramfs").write_bytes(guest_image.initramfs(
            self.kernel, (*self.modules, *self.more_modules), programs,
            directories))

    def boot(self):
        if not self.try_boot(self.command(), self.boot_seconds):
            raise self.failed()

    def failed(self):
        return GuestError("the guest did not boot; its console:\n" +
                          "\n".join(self.console.tail))

    def try_boot(self, command, seconds):
        self.process = start(command, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, cwd=self.at)
        self.console = Console(self.process.stdout, self.at / "console")
        return self.await_agent(seconds)

    def await_agent(self, seconds):
        return self.console.await_line("guest-agent: ready", seconds)

    def await_reboot(self):
        if not self.await_agent(self.boot_seconds):
            raise self.failed()

    def stop(self):
        if self.process:
            stop(self.process)
            # Its helpers may end a little later: they hold the disk until then.
            self.console.thread.join()


class Qemu(Machine):
    """Bed A: a real VM."""

    bed = "A"
    modules = guest_image.MODULES
    disk = "/dev/vda"
    kvm_boot_seconds = 20

    def __init__(self, kernel_package=guest_image.CLOUD_KERNEL):
        super().__init__()
        self.kernel_package = kernel_package
        self.acceleration = None

    def prepare(self, at, programs, directories):
        self.emulator = tool("qemu-system-x86_64", "qemu-system-x86")
        self.kernel = guest_image.kernel_directory(self.kernel_package)
        super().prepare(at, programs, directories)

    def description(self):
        version = guest_image.output_of(self.emulator, "--version")
        return f"{version.splitlines()[0]}, {self.acceleration}"

    def command(self):
        cpu = "host" if self.acceleration == "kvm" else "max"
        accel = {"kvm": "kvm", "tcg": "tcg,thread=multi"}[self.acceleration]
        return [
            self.emulator, "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "q35,memory-backend=memory", "-accel", accel,
            "-cpu", cpu, "-smp", "2", "-m", MEMORY,
            "-object",
            f"memory-backend-memfd,id=memory,size={MEMORY},share=on",
            "-kernel", str(self.kernel / "vmlinux"),
            "-initrd", "initramfs",
            "-append", f"console=ttyS0 quiet rdinit=/init disk={self.disk}",
            "-serial", "stdio",
            "-drive", "file=disk.img,format=raw,if=virtio,cache=unsafe",
            "-chardev", "socket,id=vsock,path=vhost-vsock",
            "-device", "vhost-user-vsock-pci,chardev=vsock", *self.more_words]

    def boot(self):
        """KVM if the machine has it and a kernel boots with it, else TCG."""
        if self.acceleration is None and has_kvm():
            self.acceleration = "kvm"
            if self.try_boot(self.command(), self.kvm_boot_seconds):
                return
            self.stop()
            print("note: no guest boots here with kvm", flush=True)
            self.acceleration = None
        self.acceleration = self.acceleration or "tcg"
        super().boot()


class Uml(Machine):
    """Bed B: a Linux kernel of its own, but an ordinary process of the host:
    there is no hypervisor between them."""

    bed = "B"
    modules = guest_image.UML_MODULES
    disk = "/dev/ubda"

    def prepare(self, at, programs, directories):
        if " amx_tile" in cpu_flags():
            raise Missing("user-mode-linux panics on CPUs with AMX")
        guest_image.output_of(*with_children(["true"]))
        self.kernel = guest_image.uml_directory()
        super().prepare(at, programs, directories)

    def description(self):
        return "user-mode-linux"

    def command(self):
        return with_children([
            str(self.kernel / "unpacked/usr/bin/linux.uml"),
            f"mem={MEMORY}", "initrd=initramfs", "quiet", "rdinit=/init",
            f"disk={self.disk}", "con=null", "con0=null,fd:1",
            f"uml_dir={self.at}", "umid=uml", "ubd0=disk.img",
            "virtio_uml.device=vhost-vsock:19", *self.more_words])


def cpu_flags():
    return pathlib.Path("/proc/cpuinfo").read_text()


def has_kvm():
    flags = cpu_flags()
    return ((" vmx" in flags or " svm" in flags) and
            os.access("/dev/kvm", os.R_OK | os.W_OK))


MACHINES = {machine.bed: machine for machine in (Qemu, Uml)}
