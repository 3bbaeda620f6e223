#!/usr/bin/env python3
"""The Linux client on a real mount of a directory that warmfs-hostd.exe serves
in Wine, over TCP with a token: files both ways, leases and inotify events for
what native programs and Windows programs do on the host.

  windows_host.py WARMFS WARMFS_HOSTD_EXE WINE [TEST...]

Exits 77, and says why, if there is no Wine, no .exe (build the preset
`windows`) or no /dev/fuse.
"""

import ctypes
import errno
import fcntl
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

WARMFS, HOSTD, WINE = (pathlib.Path(a) for a in sys.argv[1:4])
TOKEN = "a-token-of-this-test-alone"
DEADLINE_SECONDS = 60


def why_not():
    if not HOSTD.exists():
        return f"{HOSTD} is not there: build the preset windows"
    if not (shutil.which("wine64") or os.path.exists("/usr/lib/wine/wine64")):
        return "there is no wine64"
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse"
    return None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, what):
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"it took too long: {what}")


def command_line(process):
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:  # it has ended
        return ""


def serves(directory):
    """Is there a process with this export?"""
    return any(f"default=Z:{directory}" in command_line(process)
               for process in pathlib.Path("/proc").glob("[0-9]*"))


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, timeout=DEADLINE_SECONDS,
                          stdout=subprocess.PIPE, **options).stdout


def setUpModule():
    """The first program starts Wine's services, which stay, and keep open what
    it was given to write to. None of the tests' is the first."""
    subprocess.run([WINE, "cmd", "/c", "exit"], check=True, timeout=DEADLINE_SECONDS,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Watcher:
    """inotify(7) on directories of the mount."""

    KINDS = {0x2: "MODIFY", 0x4: "ATTRIB", 0x8: "CLOSE_WRITE", 0x40: "MOVED_FROM",
             0x80: "MOVED_TO", 0x100: "CREATE", 0x200: "DELETE"}
    IS_DIRECTORY = 0x40000000

    def __init__(self, *directories):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for directory in directories:
            self.libc.inotify_add_watch(self.fd, os.fsencode(directory), sum(self.KINDS))

    def close(self):
        os.close(self.fd)

    def take(self, until):
        """Events up to a file of that name. It and its like (end...) are left out.
        What is alike and adjacent is one."""
        lines = []
        while True:
            if not select.select([self.fd], [], [], DEADLINE_SECONDS)[0]:
                raise AssertionError(f"no {until}; so far: {lines}")
            data, at = os.read(self.fd, 1 << 16), 0
            while at < len(data):
                _, mask, _, size = struct.unpack_from("iIII", data, at)
                name = data[at + 16:at + 16 + size].rstrip(b"\0").decode()
                at += 16 + size
                kind = next((k for bit, k in self.KINDS.items() if mask & bit), None)
                if name == until and kind == "CLOSE_WRITE":
                    return lines
                if name.startswith("end"):
                    continue
                line = f"{kind} {name}" + ("/" if mask & self.IS_DIRECTORY else "")
                if kind and (not lines or lines[-1] != line):
                    lines.append(line)


class WindowsServer(unittest.TestCase):
    """A directory of its own, served and mounted."""

    OPTIONS = ""

    @classmethod
    def setUpClass(cls):
        cls.base = pathlib.Path(tempfile.mkdtemp(prefix="warmfs-windows-"))
        cls.host, cls.mount = cls.base / "host", cls.base / "mnt"
        cls.host.mkdir()
        cls.mount.mkdir()
        cls.prepare()
        cls.token = cls.base / "token"
        cls.token.write_text(TOKEN + "\n")
        cls.token.chmod(0o600)
        # As `echo TOKEN > FILE` of Windows' cmd writes it.
        cls.host_token = cls.base / "host-token"
        cls.host_token.write_bytes(TOKEN.encode() + b" \r\n")
        cls.host_token.chmod(0o600)
        cls.endpoint = f"tcp:127.0.0.1:{free_port()}"
        cls.log = cls.base / "log"
        with open(cls.log, "w") as log:
            cls.hostd = subprocess.Popen(
                [WINE, HOSTD, "--export", f"default=Z:{cls.host}", "--listen", cls.endpoint,
                 "--token-file", f"Z:{cls.host_token}"], stderr=log, start_new_session=True)
        wait_until(lambda: "listening" in cls.log.read_text() or cls.hostd.poll() is not None,
                   "warmfs-hostd.exe to listen")
        cls.options = f"token_file={cls.token},cache={cls.base}/cache{cls.OPTIONS}"
        run(WARMFS, "mount", cls.endpoint, cls.mount, "-o", cls.options)

    @classmethod
    def prepare(cls):
        """What there is to do before it is served."""

    @classmethod
    def tearDownClass(cls):
        run(WARMFS, "umount", cls.mount)
        os.killpg(cls.hostd.pid, signal.SIGTERM)
        cls.hostd.wait()
        shutil.rmtree(cls.base, ignore_errors=True)

    def sync(self):
        run(WARMFS, "sync", "--timeout", str(DEADLINE_SECONDS - 10), self.mount)

    def status(self):
        return json.loads(run(WARMFS, "status", "--json", self.mount))[0]

    def windows(self, *command):
        """Runs a command of cmd.exe's on the host."""
        run(WINE, "cmd.exe", "/c", *command)

    def of_windows(self, name):
        return f"Z:{self.host / name}".replace("/", "\\")


class WindowsHost(WindowsServer):
    def test_what_is_written_here_is_on_the_host(self):
        (self.mount / "f").write_text("from Linux")
        self.assertEqual((self.host / "f").read_text(), "from Linux")
        with open(self.mount / "f", "a") as f:
            f.write(", twice")
        self.assertEqual((self.host / "f").read_text(), "from Linux, twice")

    def test_what_the_host_writes_is_read_here(self):
        (self.host / "from_host").write_text("one")
        wait_until(lambda: (self.mount / "from_host").exists(), "the name to appear")
        self.assertEqual((self.mount / "from_host").read_text(), "one")
        (self.host / "from_host").write_text("two, and longer")
        wait_until(lambda: (self.mount / "from_host").read_text() == "two, and longer",
                   "the new content to appear")
        (self.host / "from_host").unlink()
        wait_until(lambda: not (self.mount / "from_host").exists(), "the name to go")

    def test_names_that_windows_refuses(self):
        directory = self.mount / "names"
        directory.mkdir()
        names = sorted(["a:b", "con", "dot.", "st*r", "back\\slash", "grüß"])
        for name in names:
            (directory / name).write_text(name)
        self.assertEqual(sorted(os.listdir(directory)), names)
        for name in names:
            self.assertEqual((directory / name).read_text(), name)

    def test_modes_are_kept(self):
        path = self.mount / "script"
        path.write_text("#!/bin/sh\necho run\n")
        self.assertEqual(path.stat().st_mode & 0o111, 0)
        path.chmod(0o755)
        self.assertEqual(run(path), "run\n")

    def test_an_unlinked_file_is_read_to_its_last_close(self):
        path = self.mount / "open"
        path.write_text("still here")
        with open(path, "r+") as f:
            path.unlink()
            self.assertFalse(path.exists())
            self.assertEqual(os.listdir(self.host).count("open"), 0)
            self.assertEqual(f.read(), "still here")

    def test_a_file_is_saved_by_a_rename(self):
        path = self.mount / "saved"
        path.write_text("old")
        with open(path) as reader:
            (self.mount / "saved.new").write_text("new")
            os.replace(self.mount / "saved.new", path)
            self.assertEqual(reader.read(), "old")
        self.assertEqual(path.read_text(), "new")

    def test_the_hosts_git_does_not_see_what_hostd_keeps(self):
        # The repository itself is elsewhere: what comes and goes on the host here
        # may give its inode number to the next test's file.
        git = ["git", "--git-dir", self.base / "git", "--work-tree", self.host]
        run(*git, "init", "--quiet")
        (self.mount / "executable").write_text("")
        (self.mount / "executable").chmod(0o755)
        self.sync()
        self.assertIn("modes", os.listdir(self.host / ".warmfs-host"))
        seen = run(*git, "status", "--porcelain", "--untracked-files=all")
        self.assertNotIn(".warmfs-host", seen)

    def test_git_works(self):
        repository = self.mount / "repository"

        def git(*arguments):
            return run("git", "-c", "user.name=n", "-c", "user.email=e", "-C", repository, *arguments)

        run("git", "init", "-q", repository)
        for i in range(20):
            (repository / f"file{i}").write_text(f"{i}\n" * 100)
        git("add", ".")
        git("commit", "-qm", "first")
        self.assertEqual(git("status", "--porcelain"), "")
        (repository / "file3").write_text("changed\n")
        self.assertEqual(git("status", "--porcelain"), " M file3\n")
        git("checkout", "-q", "file3")
        self.assertEqual(git("status", "--porcelain"), "")
        git("fsck", "--strict")

    def test_content_is_as_it_was_written(self):
        data = os.urandom(3_000_001)
        (self.mount / "large").write_bytes(data)
        self.assertEqual((self.host / "large").read_bytes(), data)
        self.assertEqual((self.mount / "large").read_bytes(), data)

    def test_a_token_may_be_copied_from_windows(self):
        other = self.base / "copied"
        other.mkdir()
        run(WARMFS, "mount", self.endpoint, other, "-o",
            f"token_file={self.host_token},cache={self.base}/cache3")
        run(WARMFS, "umount", other)

    def test_a_wrong_token_is_refused(self):
        wrong, other = self.base / "wrong", self.base / "other"
        wrong.write_text("another-token-of-this-test\n")
        wrong.chmod(0o600)
        other.mkdir()
        done = subprocess.run([WARMFS, "mount", self.endpoint, other, "-o",
                               f"token_file={wrong},cache={self.base}/cache2"],
                              text=True, stderr=subprocess.PIPE, timeout=DEADLINE_SECONDS)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("token", done.stderr)


class Locks(WindowsServer):
    OPTIONS = ",locks=host"

    def test_two_clients_exclude_each_other(self):
        other = self.base / "other"
        other.mkdir()
        run(WARMFS, "mount", self.endpoint, other, "-o",
            f"token_file={self.token},cache={self.base}/cache2,locks=host")
        take, give = fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_UN
        try:
            (self.mount / "f").write_text("x" * 100)
            with open(self.mount / "f", "r+") as a, open(other / "f", "r+") as b:
                fcntl.flock(a, take)
                self.assertRaises(BlockingIOError, fcntl.flock, b, take)
                fcntl.flock(a, give)
                fcntl.flock(b, take)
                fcntl.lockf(a, take, 10, 10)
                self.assertRaises(BlockingIOError, fcntl.lockf, b, take, 10, 15)
                fcntl.lockf(b, take, 10, 20)
                # Whoever holds one and whoever does not go on reading and writing.
                a.write("y")
                a.flush()
                self.assertEqual(len(b.read()), 100)
        finally:
            run(WARMFS, "umount", other)


class StandardStreams(unittest.TestCase):
    """exec: starts it, and all connections go over its standard streams."""

    def test_what_is_written_arrives_and_it_ends_with_the_mount(self):
        with tempfile.TemporaryDirectory(prefix="warmfs-windows-") as base:
            host, mount = pathlib.Path(base, "host"), pathlib.Path(base, "mnt")
            host.mkdir()
            mount.mkdir()
            (host / "of_host").write_text("hello")
            run(WARMFS, "mount", f"exec:{WINE} {HOSTD} --stdio --export default=Z:{host}",
                mount, "-o", f"cache={base}/cache")
            try:
                content = os.urandom(3_000_000)
                (mount / "file").write_bytes(content)
                self.assertEqual((host / "file").read_bytes(), content)
                self.assertEqual((mount / "of_host").read_text(), "hello")
                self.assertTrue(serves(host))
            finally:
                run(WARMFS, "umount", mount)
            wait_until(lambda: not serves(host), "warmfs-hostd.exe to end")


class Selftest(unittest.TestCase):
    def test_it_prints_a_table_and_leaves_nothing(self):
        with tempfile.TemporaryDirectory(prefix="warmfs-windows-") as base:
            rows = dict(re.split("  +", line)[:2]
                        for line in run(WINE, HOSTD, "selftest", f"Z:{base}").splitlines()
                        if "  " in line)
            self.assertEqual(os.listdir(base), [])
        # What is known of Wine, of any version.
        for item in ("file ids of 128 bits", "paths over 260 characters", "TCP on loopback"):
            self.assertEqual(rows[item], "yes")
        for item in ("Hyper-V sockets", "USN journal, for this user", "changes with file ids (Ex)"):
            self.assertTrue(rows[item].startswith("no"), rows[item])
        self.assertEqual(len(rows), 15)

    def test_a_directory_that_is_not_there_is_said(self):
        done = subprocess.run([WINE, HOSTD, "selftest", "Z:\\no\\such"], text=True,
                              stderr=subprocess.PIPE, timeout=DEADLINE_SECONDS)
        self.assertEqual(done.returncode, 66)
        self.assertIn("that you may write to", done.stderr)


class Events(WindowsServer):
    """What is done on the host is seen by watchers of the mount, as on Linux."""

    def setUp(self):
        self.directory = self.host / self._testMethodName
        (self.directory / "d").mkdir(parents=True)
        self.sync()
        self.seen = self.mount / self.directory.name
        os.listdir(self.seen / "d")
        self.watcher = Watcher(self.seen, self.seen / "d")
        self.ends = 0

    def tearDown(self):
        self.watcher.close()

    def expect(self, *lines):
        self.sync()
        self.ends += 1
        end = f"end{self.ends}"
        (self.directory / end).write_text("x")
        self.sync()
        self.assertEqual(self.watcher.take(end), list(lines))

    def test_a_native_program_makes_writes_renames_and_removes(self):
        (self.directory / "f").write_text("hello")
        self.expect("CREATE f", "MODIFY f", "CLOSE_WRITE f")
        self.assertEqual((self.seen / "f").read_text(), "hello")
        with open(self.directory / "f", "a") as f:
            f.write(" again")
        self.expect("MODIFY f", "CLOSE_WRITE f")
        self.assertEqual((self.seen / "f").read_text(), "hello again")
        os.rename(self.directory / "f", self.directory / "g")
        os.rename(self.directory / "g", self.directory / "d" / "h")
        self.expect("MOVED_FROM f", "MOVED_TO g", "MOVED_FROM g", "MOVED_TO h")
        (self.directory / "d" / "h").unlink()
        self.expect("DELETE h")

    def test_a_native_program_saves_by_a_rename(self):
        (self.directory / "f").write_text("old")
        self.expect("CREATE f", "MODIFY f", "CLOSE_WRITE f")
        self.assertEqual((self.seen / "f").read_text(), "old")
        (self.directory / "f.tmp").write_text("new")
        os.replace(self.directory / "f.tmp", self.directory / "f")
        self.expect("CREATE f.tmp", "MODIFY f.tmp", "CLOSE_WRITE f.tmp", "MOVED_FROM f.tmp",
                    "MOVED_TO f")
        self.assertEqual((self.seen / "f").read_text(), "new")

    def test_directories_come_and_go(self):
        (self.directory / "e").mkdir()
        self.expect("CREATE e/")
        self.assertEqual(os.listdir(self.seen / "e"), [])
        (self.directory / "e" / "f").write_text("x")
        self.sync()
        self.assertEqual(os.listdir(self.seen / "e"), ["f"])
        shutil.rmtree(self.directory / "e")
        self.expect("DELETE e/")

    def test_a_windows_program_makes_renames_and_removes(self):
        name = self.directory.name
        self.windows(f"echo hello> {self.of_windows(name)}\\f.txt")
        self.expect("CREATE f.txt", "MODIFY f.txt", "CLOSE_WRITE f.txt")
        self.assertEqual((self.seen / "f.txt").read_text(), "hello\n")
        self.windows("ren", f"{self.of_windows(name)}\\f.txt", "g.txt")
        self.expect("MOVED_FROM f.txt", "MOVED_TO g.txt")
        self.windows("mkdir", f"{self.of_windows(name)}\\e")
        self.expect("CREATE e/")
        self.windows("del", f"{self.of_windows(name)}\\g.txt")
        self.expect("DELETE g.txt")

    def test_what_is_done_here_is_told_once(self):
        (self.seen / "own").write_text("by the VM")
        os.rename(self.seen / "own", self.seen / "d" / "own2")
        (self.seen / "d" / "own2").unlink()
        self.expect("CREATE own", "MODIFY own", "CLOSE_WRITE own", "MOVED_FROM own",
                    "MOVED_TO own2", "DELETE own2")

    def test_warm_work_asks_the_host_nothing(self):
        for i in range(20):
            (self.directory / "d" / f"f{i}").write_text(str(i))
        self.sync()

        def work():
            return [(self.seen / "d" / name).read_text()
                    for name in sorted(os.listdir(self.seen / "d"))] + [
                        (self.seen / "d" / "missing").exists()]

        first = work()
        self.assertEqual(len(first), 21)
        self.sync()

        def calls():
            methods = self.status()["rpc"]["methods"]
            return {kind: figures["calls"] for kind, figures in methods.items()
                    if kind not in ("next", "fence", "release")}

        before = calls()
        for _ in range(5):
            self.assertEqual(work(), first)
        self.assertEqual(calls(), before)

    def test_a_renamed_directory_is_what_it_is(self):
        (self.directory / "d" / "f").write_text("x")
        self.sync()
        os.rename(self.directory / "d", self.directory / "e")
        self.sync()
        self.assertEqual(os.listdir(self.seen), ["e"])
        self.assertEqual(os.listdir(self.seen / "e"), ["f"])
        # Of another inode, and once more by the name that is free.
        (self.directory / "d").mkdir()
        (self.directory / "d" / "g").write_text("y")
        (self.directory / "e" / "h").write_text("z")
        self.sync()
        self.assertEqual(os.listdir(self.seen / "d"), ["g"])
        self.assertEqual(sorted(os.listdir(self.seen / "e")), ["f", "h"])
        print("in Wine: a renamed directory begins a new epoch, since Wine goes on telling what "
              "is beneath it under its old path")

    def test_more_than_windows_keeps_is_not_missed(self):
        (self.directory / "d" / "f").write_text("before")
        self.sync()
        self.assertEqual((self.seen / "d" / "f").read_text(), "before")
        os.kill(self.hostd.pid, signal.SIGSTOP)
        try:
            for i in range(4000):
                (self.directory / f"{i:0100}").write_text("")
            (self.directory / "d" / "f").write_text("after, and longer")
        finally:
            os.kill(self.hostd.pid, signal.SIGCONT)
        self.sync()
        self.assertGreater(self.status()["journal"]["host"]["overflows"], 0)
        self.assertEqual((self.seen / "d" / "f").read_text(), "after, and longer")
        self.assertEqual(len(os.listdir(self.seen)), 4001)


class ADriveThatGoesAway(WindowsServer):
    """What is served is itself in a mount, whose client dies."""

    @classmethod
    def prepare(cls):
        cls.real = cls.base / "real"
        cls.real.mkdir()
        for name in ("read before", "not read"):
            (cls.real / name).write_text("content")
        run(WARMFS, "mount", cls.real, cls.host, "-o", f"cache={cls.base}/inner-cache")

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        run("umount", "-l", cls.host)
        shutil.rmtree(cls.base, ignore_errors=True)

    def test_every_use_is_an_error_and_what_was_read_stays(self):
        self.assertEqual((self.mount / "read before").read_text(), "content")
        inner = json.loads(run(WARMFS, "status", "--json", self.host))[0]
        os.kill(inner["pid"], signal.SIGKILL)
        for use in (lambda: (self.mount / "not read").read_text(),
                    lambda: (self.mount / "new").write_text("x"),
                    lambda: os.mkdir(self.mount / "directory")):
            with self.assertRaises(OSError) as error:
                use()
            self.assertEqual(error.exception.errno, errno.EIO)
        self.assertEqual((self.mount / "read before").read_text(), "content")
        self.assertIsNone(self.hostd.poll(), self.log.read_text())
        self.assertEqual(self.status()["connection"]["state"], "connected")


class BadInput(unittest.TestCase):
    def fails(self, arguments, *expected):
        done = subprocess.run([WINE, HOSTD, *arguments], text=True, stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=DEADLINE_SECONDS)
        for text in expected:
            self.assertIn(text, done.stderr)
        return done.returncode

    def test_each_gets_one_clear_error(self):
        listen = ["--listen", "tcp:127.0.0.1:1"]
        self.assertEqual(self.fails(["--export", "x=Z:\\no\\such", *listen], "cannot export"), 66)
        self.assertEqual(self.fails(["--export", "x=Z:\\tmp", *listen], "--token-file"), 64)
        self.assertEqual(self.fails(["--export", "x=Z:\\tmp"], "nowhere to wait"), 64)
        self.assertEqual(self.fails(["--export", "x=Z:\\tmp", "--listen", "unix:x"],
                                    "cannot be listened on"), 64)
        self.assertEqual(self.fails(["--export", "x=Z:\\tmp", "--listen", "hvsock:5001"],
                                    "--token-file"), 64)

    def test_a_token_in_utf_16_says_what_to_do(self):
        for text in ((TOKEN + "\r\n").encode("utf-16"), (TOKEN + "\r\n").encode("utf-8-sig")):
            with tempfile.NamedTemporaryFile() as token:
                token.write(text)
                token.flush()
                self.assertEqual(self.fails(
                    ["--export", "x=Z:\\tmp", "--listen", "tcp:127.0.0.1:1",
                     "--token-file", f"Z:{token.name}"], "Set-Content -Encoding ascii"), 64)

    def test_hyper_v_sockets_that_are_not_there_say_what_to_do(self):
        with tempfile.NamedTemporaryFile("w") as token:
            token.write(TOKEN + "\n")
            token.flush()
            given = ["--export", "x=Z:\\tmp", "--token-file", f"Z:{token.name}", "--listen"]
            self.assertEqual(self.fails([*given, "hvsock:5001"], "Virtual Machine Platform",
                                        "tcp:127.0.0.1:PORT"), 71)
            self.assertEqual(self.fails([*given, "hvsock:x"], "hvsock:PORT"), 64)

    def test_a_journal_that_is_not_there_is_done_without(self):
        # Not /tmp itself: what others do there would be heard of.
        with tempfile.TemporaryDirectory() as export:
            self.assertEqual(self.fails(["--export", f"x=Z:{export}", "--stdio", "--watch", "usn"],
                                        "no USN journal", "ReadDirectoryChangesW is used instead",
                                        "leases are given, by ReadDirectoryChangesW"), 0)

    def test_it_says_how_it_hears_of_changes(self):
        with tempfile.TemporaryDirectory() as export:
            serve = ["--export", f"x=Z:{export}", "--stdio"]
            self.assertEqual(self.fails(serve, "leases are given, by ReadDirectoryChangesW"), 0)
            self.assertEqual(self.fails([*serve, "--watch", "off"], "no leases are given"), 0)

    def test_it_names_its_version_and_its_build(self):
        self.assertRegex(run(WINE, HOSTD, "--version"),
                         r"^warmfs-hostd [0-9.]+ \(([0-9a-f]{10}\+?, )?Windows x86_64\)$")


if __name__ == "__main__":
    reason = why_not()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
