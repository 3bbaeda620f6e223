"""A directory served by warmfs-hostd and mounted by warmfs, for the scripts that
measure: host daemon and client are processes of their own, so that memory and
CPU time of each can be told.

The programs are those of build/release/bin, or of $WARMFS_BIN. Everything is in
one directory beneath $TMPDIR (or /var/tmp), and gone at the end. $WARMFS_TEST_HOST
is what another host daemon's source begins with, before the directory
(docs/windows.md).
"""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("WARMFS_BIN", ROOT / "build/release/bin"))
OTHER_HOST = os.environ.get("WARMFS_TEST_HOST")
PATIENCE_S = 30
# What follows the host's journal, and is sent with nothing to do.
FOLLOWING = ("next", "fence")


def fail(message, code=1):
    print(f"{pathlib.Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(code)


def check_programs():
    for name in ("warmfs", "warmfs-hostd"):
        if not os.access(BIN / name, os.X_OK):
            fail(f"{BIN / name} is not there: run scripts/build, "
                 "or set WARMFS_BIN to where the programs are", 69)
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        fail("needs /dev/fuse", 69)


@contextlib.contextmanager
def workspace(name):
    """A directory of its own; removed at the end, unless a mount is left there."""
    base = os.environ.get("TMPDIR", "/var/tmp")
    work = pathlib.Path(tempfile.mkdtemp(prefix=f"warmfs-{name}-", dir=base))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield work
    finally:
        # Never through a mount: what is behind it may be somebody's.
        if any(str(work) in line for line in open("/proc/self/mounts")):
            print(f"{work} is left: something in it is still mounted",
                  file=sys.stderr)
        else:
            shutil.rmtree(work, ignore_errors=True)


def program(*arguments, check=True, **more):
    result = subprocess.run([BIN / arguments[0], *map(str, arguments[1:])],
                            capture_output=True, text=True, **more)
    if check and result.returncode != 0:
        fail(f"{' '.join(map(str, arguments))}: {result.stderr.strip()}")
    return result


def shell(line, root, **more):
    """A line for /bin/sh. All that it has started ends with us: what works in a
    mount would keep it busy."""
    with subprocess.Popen(["/bin/sh", "-ec", line], cwd=root, text=True,
                          stdout=subprocess.PIPE, start_new_session=True,
                          **more) as process:
        try:
            out, err = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(line, process.returncode, out, err)


def memory(pid):
    """Resident bytes now, and at most so far."""
    values = {}
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(("VmRSS:", "VmHWM:")):
            values[line[:5]] = int(line.split()[1]) * 1024
    return values["VmRSS"], values["VmHWM"]


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def raise_open_files():
    """A watch takes an open file: as many as this user may have."""
    most = int(open("/proc/sys/fs/nr_open").read())
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Mount:
    """Of a directory. A context: unmounted, and the host daemon ended, at the end."""

    def __init__(self, work, directory, options=""):
        self.work = pathlib.Path(work)
        self.directory = pathlib.Path(directory)
        self.path = self.work / "mnt"
        self.options = options
        self._host = None
        self._source = f"{OTHER_HOST}{directory}"
        self._mounted = False
        # `warmfs status` without a path tells of this mount alone.
        self._environment = {**os.environ, "XDG_RUNTIME_DIR": str(self.work)}
        self.path.mkdir(exist_ok=True)

    def __enter__(self):
        if not OTHER_HOST:
            self.start_host()
        try:
            self.mount()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self._mounted and self._warmfs("umount", self.path,
                                          check=False).returncode != 0:
            subprocess.run(["umount", "-l", self.path], check=False)
        if self._host:
            self._host.terminate()
            self._host.wait()

    def start_host(self):
        socket = self.work / "hostd.sock"
        socket.unlink(missing_ok=True)
        self._source = f"unix:{socket}"
        log = open(self.work / "hostd.log", "a")
        self._host = subprocess.Popen(
            [BIN / "warmfs-hostd", "--export", f"default={self.directory}",
             "--listen", f"unix:{socket}", "--quiet"], stderr=log, stdout=log,
            preexec_fn=raise_open_files)
        limit = time.monotonic() + PATIENCE_S
        while not socket.exists():
            if self._host.poll() is not None or time.monotonic() > limit:
                fail("warmfs-hostd does not start: "
                     + (self.work / "hostd.log").read_text())
            time.sleep(0.01)

    def _warmfs(self, *arguments, **more):
        return program("warmfs", *arguments, env=self._environment, **more)

    def mount(self):
        options = f"cache={self.work / 'cache'}"
        if self.options:
            options += "," + self.options
        self._warmfs("mount", self._source, self.path, "-o", options)
        self._mounted = True

    def unmount(self):
        self._warmfs("umount", self.path)
        self._mounted = False

    def remount(self):
        self.unmount()
        self.mount()

    def forget_cache(self):
        """Unmounts, and mounts with nothing cached."""
        self.unmount()
        shutil.rmtree(self.work / "cache", ignore_errors=True)
        self.mount()

    def sync(self):
        self._warmfs("sync", self.path)

    def start(self, command, *arguments, **more):
        """`warmfs COMMAND` for this mount, as a process that runs meanwhile."""
        return subprocess.Popen([BIN / "warmfs", command, *arguments, self.path],
                                env=self._environment, **more)

    def status(self):
        return json.loads(self._warmfs("status", "--json").stdout)[0]

    def rpcs(self):
        """Requests sent to the host so far, by method."""
        methods = self.status()["rpc"]["methods"]
        return {name: one["calls"] for name, one in methods.items()
                if name not in FOLLOWING}

    def raised(self):
        """Events raised by the injector so far, by kind; tried, not only done."""
        injections = self.status()["injections"]
        raised = {k: n for k, n in injections["raised"].items() if n}
        failed = sum(injections["failed"].values())
        if failed:
            raised["failed"] = failed
        return raised

    def client_pid(self):
        return self.status()["pid"]

    def host_pid(self):
        return self._host.pid


def difference(after, before):
    counts = {name: n - before.get(name, 0) for name, n in after.items()}
    return {name: n for name, n in counts.items() if n}


def mib(n):
    return f"{n / 2**20:.0f} MiB"
