"""A guest with a host daemon outside of it: bed A or B, machine.py.

The guest is reached over AF_VSOCK only: there is no network in it. Commands for
it go through its agent (guest_agent_main.cc); it reaches the host daemon at
vsock:2:7070. All processes end with this one, even if it is killed.
"""

import contextlib
import pathlib
import socket
import subprocess
import tempfile

from guest_image import Missing, tool
from machine import GuestError, start, stop

AGENT_PORT = 1024
HOSTD_PORT = 7070
COMMAND_SECONDS = 120
PROGRAMS = ("warmfs", "warmfs-cache", "injector_watch", "guest-agent")


class Bed:
    """A working directory, the backend of the vsock device, hostd, the guest."""

    programs = PROGRAMS
    directories = ()  # of the host, at the same path in the guest

    def __init__(self, machine, bin_directory, export):
        self.machine = machine
        self.bin = pathlib.Path(bin_directory)
        self.export = pathlib.Path(export)
        self.backend = self.hostd = None
        self.directory = tempfile.TemporaryDirectory(prefix="warmfs-vm-")
        self.at = pathlib.Path(self.directory.name)
        self.base = self.at / "vsock"

    def __enter__(self):
        try:
            return self.set_up()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self.machine.stop()
        for process in (self.hostd, self.backend):
            if process:
                stop(process)
        self.directory.cleanup()

    def set_up(self):
        mke2fs = tool("mke2fs", "e2fsprogs")
        # A program is ours, by its name, or another's, by its path.
        for name in (*self.programs, "warmfs-hostd", "vsock-backend"):
            if not (self.bin / name).exists():
                raise Missing(f"{self.bin / name} is not built")
        self.machine.prepare(self.at,
                             [self.bin / name for name in self.programs],
                             self.directories)
        subprocess.run(
            [mke2fs, "-q", "-t", "ext4", str(self.at / "disk.img"), "512M"],
            stdout=subprocess.DEVNULL, check=True)
        self.backend = start([str(self.bin / "vsock-backend"),
                              str(self.at / "vhost-vsock"), str(self.base)])
        self.start_hostd()
        self.machine.boot()
        return self

    def start_hostd(self):
        self.hostd = start(
            [str(self.bin / "warmfs-hostd"), "--quiet", "--export",
             f"default={self.export}", "--listen",
             f"unix:{self.base}_{HOSTD_PORT}"])

    def reboot(self, meanwhile):
        """As with the reset button, once the disk has all that was written.
        `meanwhile` is called while the guest is away."""
        self.run("sync")
        with (self.connect(b"reboot -f") as guest,
              contextlib.suppress(ConnectionError)):
            # The end of the stream is the end of the guest.
            guest.recv(1)
        meanwhile()
        self.machine.await_reboot()

    def power_cut(self):
        """The guest ends in the midst of things, and is started again."""
        self.machine.stop()
        self.machine.boot()

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
