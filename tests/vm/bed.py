"""Bed A: a real VM under QEMU, with a host daemon outside of it.

The guest is reached over AF_VSOCK only: there is no network in it. Commands for
it go through its agent (guest_agent_main.cc); it reaches the host daemon at
vsock:2:7070. All processes end with this one, even if it is killed.
"""

import contextlib
import os
import pathlib
import queue
import socket
import subprocess
import tempfile
import threading

import guest_image
from guest_image import Missing, tool

AGENT_PORT = 1024
HOSTD_PORT = 7070
# TCG is slow, and the machine may be shared. A reset takes TCG longer than a
# start: the memory is full of code that it has translated.
BOOT_SECONDS = 150
KVM_BOOT_SECONDS = 20
COMMAND_SECONDS = 120
PROGRAMS = ("warmfs", "warmfs-cache", "injector_watch", "guest-agent")


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


class Console:
    """The guest's serial console, line by line: kept, and waited for."""

    def __init__(self, stream, log):
        self.lines = queue.Queue()
        self.tail = []
        thread = threading.Thread(target=self.follow, args=(stream, log),
                                  daemon=True)
        thread.start()

    def follow(self, stream, log):
        with open(log, "ab", buffering=0) as file:
            for line in stream:
                file.write(line)
                self.lines.put(line.decode(errors="replace").strip())
        self.lines.put(None)

    def await_line(self, wanted, seconds):
        """False if it does not come, or QEMU ends."""
        try:
            while (line := self.lines.get(timeout=seconds)) is not None:
                self.tail = self.tail[-19:] + [line]
                if wanted in line:
                    return True
        except queue.Empty:
            pass
        return False


class Bed:
    """A working directory, the backend of the vsock device, hostd, the VM."""

    kernel_package = guest_image.CLOUD_KERNEL
    modules = guest_image.MODULES
    programs = PROGRAMS

    def __init__(self, bin_directory, export):
        self.bin = pathlib.Path(bin_directory)
        self.export = pathlib.Path(export)
        self.qemu = self.backend = self.hostd = self.console = None
        self.acceleration = None
        self.directory = tempfile.TemporaryDirectory(prefix="warmfs-vm-")
        self.at = pathlib.Path(self.directory.name)
        self.base = self.at / "vsock"
        self.disk = self.at / "disk.img"

    def __enter__(self):
        try:
            return self.set_up()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for process in (self.qemu, self.hostd, self.backend):
            if process:
                stop(process)
        self.directory.cleanup()

    def set_up(self):
        self.emulator = tool("qemu-system-x86_64", "qemu-system-x86")
        mke2fs = tool("mke2fs", "e2fsprogs")
        for name in (*self.programs, "warmfs-hostd", "vsock-backend"):
            if not (self.bin / name).exists():
                raise Missing(f"{self.bin / name} is not built")
        self.kernel = guest_image.kernel_directory(self.kernel_package)
        (self.at / "initramfs").write_bytes(guest_image.initramfs(
            self.kernel, self.modules,
            [self.bin / name for name in self.programs]))
        subprocess.run([mke2fs, "-q", "-t", "ext4", str(self.disk), "512M"],
                       stdout=subprocess.DEVNULL,
                       check=True)
        self.backend = start([str(self.bin / "vsock-backend"),
                              str(self.at / "qemu"), str(self.base)])
        self.start_hostd()
        self.boot()
        return self

    def start_hostd(self):
        self.hostd = start(
            [str(self.bin / "warmfs-hostd"), "--quiet", "--export",
             f"default={self.export}", "--listen",
             f"unix:{self.base}_{HOSTD_PORT}"])

    # --- the VM ---

    def command(self, acceleration):
        cpu = "host" if acceleration == "kvm" else "max"
        accel = {"kvm": "kvm", "tcg": "tcg,thread=multi"}[acceleration]
        return [
            self.emulator, "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "q35,memory-backend=memory", "-accel", accel,
            "-cpu", cpu, "-smp", "2", "-m", "1G",
            "-object", "memory-backend-memfd,id=memory,size=1G,share=on",
            "-kernel", str(self.kernel / "vmlinux"),
            "-initrd", str(self.at / "initramfs"),
            "-append", "console=ttyS0 quiet rdinit=/init",
            "-serial", "stdio",
            "-drive", f"file={self.disk},format=raw,if=virtio,cache=unsafe",
            "-chardev", f"socket,id=vsock,path={self.at / 'qemu'}",
            "-device", "vhost-user-vsock-pci,chardev=vsock", *self.devices()]

    def devices(self):
        """More of them, as words for QEMU."""
        return []

    def boot(self):
        """KVM if the machine has it and a kernel boots with it, else TCG."""
        wanted = ["kvm", "tcg"] if has_kvm() else ["tcg"]
        for acceleration in wanted:
            self.acceleration = acceleration
            if self.try_boot(acceleration):
                return
            stop(self.qemu)
            print(f"note: no guest boots here with {acceleration}", flush=True)
        raise GuestError("the guest did not boot; its console:\n" +
                         "\n".join(self.console.tail))

    def try_boot(self, acceleration):
        self.qemu = start(self.command(acceleration), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
        self.console = Console(self.qemu.stdout, self.at / "console")
        return self.await_agent(
            KVM_BOOT_SECONDS if acceleration == "kvm" else BOOT_SECONDS)

    def await_agent(self, seconds=BOOT_SECONDS):
        return self.console.await_line("guest-agent: ready", seconds)

    def reboot(self, meanwhile):
        """As with the reset button, once the disk has all that was written.
        `meanwhile` is called while the guest is away."""
        self.run("sync")
        with (self.connect(b"reboot -f") as guest,
              contextlib.suppress(ConnectionError)):
            # The end of the stream is the end of the guest.
            guest.recv(1)
        meanwhile()
        if not self.await_agent():
            raise GuestError("the guest did not come back; its console:\n" +
                             "\n".join(self.console.tail))

    def power_cut(self):
        """The guest ends in the midst of things, and is started again."""
        stop(self.qemu)
        if not self.try_boot(self.acceleration):
            raise GuestError("the guest did not boot again; its console:\n" +
                             "\n".join(self.console.tail))

    def replace_hostd(self):
        stop(self.hostd)
        self.start_hostd()

    # --- commands in it ---

    def connect(self, command):
        """A socket on which the command's output comes."""
        guest = socket.socket(socket.AF_UNIX)
        guest.settimeout(COMMAND_SECONDS)
        guest.connect(str(self.base))
        guest.sendall(b"CONNECT %d\n" % AGENT_PORT)
        answer = b""
        while not answer.endswith(b"\n"):
            byte = guest.recv(1)
            if not byte:
                raise GuestError("the guest's agent does not answer")
            answer += byte
        guest.sendall(command)
        guest.shutdown(socket.SHUT_WR)
        return guest

    def try_run(self, command):
        """Exit code and output of a shell command in the guest."""
        with self.connect(command.encode()) as guest:
            return finish(guest)

    def run(self, command):
        code, output = self.try_run(command)
        if code != 0:
            raise GuestError(f"{command}: exit code {code}: {output}")
        return output

    def background(self, command):
        """A command that goes on; see finish."""
        return self.connect(command.encode())


def finish(guest):
    """Reads to the end; exit code and output, its last newline removed."""
    with guest.makefile("rb") as stream:
        text = stream.read().decode(errors="replace")
    output, _, code = text.rpartition("\nexit ")
    if not code.strip().isdigit():
        raise GuestError(f"the guest's agent was cut off after: {text[-200:]}")
    return int(code), output.removesuffix("\n")


def has_kvm():
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    return ((" vmx" in flags or " svm" in flags) and
            os.access("/dev/kvm", os.R_OK | os.W_OK))
