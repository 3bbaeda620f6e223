#!/usr/bin/env python3
"""Checks the boundaries between the folders, by #include lines and CMake files.

  boundaries.py [ROOT]      prints each violation; exits 1 if there is one
  boundaries.py --self-test plants one violation of each kind and looks for it

What is checked, and where it is written down: ARCHITECTURE.md, "Parts".
A file that includes a project header is taken to include what that header
includes, so a library cannot come in by a detour either.
"""

import fnmatch
import pathlib
import re
import sys
import tempfile

FOLDERS = ("schema", "rpc", "cache", "fuse", "hostd", "cli", "bench")
MAX_SOURCE_LINES = 500
MAX_HEADER_LINES = 250

# Which folders of the project each folder may use, besides itself.
MAY_USE = {
    "schema": (),
    "rpc": ("schema",),
    "cache": ("schema",),
    "fuse": ("schema", "rpc", "cache"),
    "hostd": ("schema", "rpc"),
    "cli": ("schema", "rpc", "cache", "fuse", "hostd"),
    "bench": ("schema", "rpc", "cache", "fuse", "hostd", "cli"),
    "tests": FOLDERS,
}


class Library:
    """A library that only some files may include and some folders may link."""

    def __init__(self, name, header, target, files, never, linked_in):
        self.name = name
        self.header = re.compile(header)
        self.target = re.compile(target)
        self.files = files  # patterns; of a test, those of the folder it tests
        self.never = never
        self.linked_in = linked_in

    def allows(self, path):
        path = path.removeprefix("tests/")
        return matches(path, self.files) and not matches(path, self.never)


LIBRARIES = (
    Library("libfuse", r"^(fuse3/|fuse\.h$|fuse_\w+\.h$)", r"\bfuse3?$",
            files=("fuse/session*",), never=(), linked_in=("fuse",)),
    Library("RocksDB", r"^rocksdb/", r"\brocksdb$",
            files=("cache/*.cc", "cache/*.h"),
            never=("cache/cache.h", "cache/inspector.*"),
            linked_in=("cache",)),
    Library("Cap'n Proto or KJ", r"^(capnp|kj)/|\.capnp\.h$",
            r"^(capnproto::|warmfs_wire$|capnp|kj)",
            files=("schema/*", "rpc/*", "hostd/service.cc",
                   "hostd/wrap_socket.h", "hostd/*/wrap_socket.cc",
                   "hostd/guarded_stream.h", "hostd/*_test.cc"),
            never=tuple(f"rpc/{name}.h" for name in (
                "channel", "remote", "connector", "endpoint", "stats",
                "socket", "mux")),
            linked_in=("schema", "rpc", "hostd")),
)


# Folders whose own files ask no system for anything: what does is in one folder
# for each system, beneath them.
PORTABLE = ("schema", "hostd")
SYSTEMS = ("posix", "win32")
SYSTEM_HEADER = re.compile(
    r"^(sys/|linux/|arpa/|net/|netinet/|(unistd|fcntl|errno|poll|signal|dirent|"
    r"pthread|sched|limits|time|stdio|stdlib|grp|pwd|sysexits|windows|winsock2?|"
    r"ws2tcpip|winternl|winioctl|shellapi|io)\.h$|cerrno$|csignal$)")


def system_of(path):
    """posix of hostd/posix/server.cc; None of what is portable."""
    parts = path.split("/")
    return parts[1] if len(parts) == 3 and parts[1] in SYSTEMS else None


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def top(path):
    return path.split("/", 1)[0]


# --- sources -----------------------------------------------------------------

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


class Source:
    def __init__(self, path, text):
        self.path = path
        self.lines = len(text.splitlines())
        self.includes = [
            (text.count("\n", 0, m.start()) + 1, m.group(2))
            for m in INCLUDE.finditer(text)
        ]


def read_sources(root):
    sources = {}
    for folder in FOLDERS + ("tests",):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in (".cc", ".h"):
                path = file.relative_to(root).as_posix()
                text = file.read_text(encoding="utf-8", errors="replace")
                sources[path] = Source(path, text)
    return sources


def reached(sources, header):
    """What an #include of `header` brings in: itself and all beneath it."""
    seen, todo = set(), [header]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in sources:
            todo += [include for _, include in sources[name].includes]
    return sorted(seen)


def check_lengths(source):
    header = source.path.endswith(".h")
    limit = MAX_HEADER_LINES if header else MAX_SOURCE_LINES
    if source.lines > limit:
        kind = "header" if header else "source"
        yield f"{source.path}: {source.lines} lines; a {kind} has at most {limit}"


def check_directions(source):
    folder = top(source.path)
    for line, include in source.includes:
        used = top(include)
        # A name without a folder, or of another project's, is no business here.
        if used == include or used == folder or used not in MAY_USE:
            continue
        if used not in MAY_USE[folder]:
            yield (f"{source.path}:{line}: {folder}/ may not include {used}/ "
                   f"({include})")


def check_libraries(sources, source):
    for library in LIBRARIES:
        if library.allows(source.path):
            continue
        for line, include in source.includes:
            found = [h for h in reached(sources, include)
                     if library.header.search(h)]
            if found:
                by = "" if found[0] == include else f", by way of {include}"
                yield (f"{source.path}:{line}: {library.name} is not for this "
                       f"file ({found[0]}{by})")
                break


def check_systems(sources, source):
    if top(source.path) not in PORTABLE:
        return
    own = system_of(source.path)
    for line, include in source.includes:
        for header in reached(sources, include):
            if top(header) not in PORTABLE and header in sources:
                continue
            if own is None and SYSTEM_HEADER.search(header):
                yield (f"{source.path}:{line}: a system's header is not for "
                       f"this file ({header})")
                break
            if top(header) in PORTABLE and system_of(header) not in (None, own):
                yield (f"{source.path}:{line}: {header} is for files of its "
                       "own system")
                break


# --- CMake -------------------------------------------------------------------

COMMAND = re.compile(r"(\w+)\s*\(([^()]*)\)")
LINK_COMMANDS = ("target_link_libraries", "link_libraries", "warmfs_test")


def cmake_commands(text):
    text = re.sub(r"#[^\n]*", "", text)
    for match in COMMAND.finditer(text):
        yield match.group(1).lower(), match.group(2).split()


def read_cmake(root):
    files = {}
    for folder in FOLDERS + ("tests",):
        for file in sorted((root / folder).rglob("CMakeLists.txt")):
            path = file.relative_to(root).as_posix()
            files[path] = list(cmake_commands(file.read_text()))
    return files


def target_folders(files):
    """Which folder each target of the project belongs to."""
    return {
        words[0]: top(path)
        for path, commands in files.items()
        for command, words in commands
        if command in ("add_library", "add_executable") and words
    }


def plain_target(word):
    """PkgConfig::ROCKSDB and Foo::foo as one would write them after -l."""
    return word.removeprefix("PkgConfig::").removeprefix("-l").lower()


def check_links(path, words, folders):
    folder, visibility = top(path), "PUBLIC"
    tested = path.removeprefix("tests/").split("/", 1)[0]
    for word in words[1:]:
        if word in ("PUBLIC", "PRIVATE", "INTERFACE"):
            visibility = word
        used = folders.get(word, folder)
        if used != folder and used not in MAY_USE[folder]:
            yield f"{path}: {words[0]} may not link {word} of {used}/"
        for library in LIBRARIES:
            if not library.target.search(plain_target(word)):
                continue
            if tested not in library.linked_in:
                yield (f"{path}: {words[0]} may not link {library.name} "
                       f"({word})")
            elif (visibility != "PRIVATE" and folder in ("cache", "fuse")):
                yield (f"{path}: {words[0]} must link {library.name} PRIVATE, "
                       "or whoever uses it gets it too")


# --- all of it ---------------------------------------------------------------

def check(root):
    root = pathlib.Path(root)
    sources, cmake = read_sources(root), read_cmake(root)
    for folder in FOLDERS:
        # A check that finds nothing to check must not pass.
        if not any(top(path) == folder for path in sources):
            yield f"{folder}/: no sources found beneath {root}"
    for source in sources.values():
        yield from check_lengths(source)
        yield from check_directions(source)
        yield from check_libraries(sources, source)
        yield from check_systems(sources, source)
    folders = target_folders(cmake)
    for path, commands in cmake.items():
        for command, words in commands:
            if command in LINK_COMMANDS and words:
                yield from check_links(path, words, folders)


# --- its own test ------------------------------------------------------------

# A tree with all that is allowed and happens in ours.
CLEAN = {
    "schema/types.h": "#include <cstdint>\n",
    "schema/CMakeLists.txt":
        "add_library(warmfs_schema STATIC types.cc)\n"
        "add_library(warmfs_wire STATIC x)\n"
        "target_link_libraries(warmfs_wire PUBLIC CapnProto::capnp-rpc)\n",
    "rpc/channel.h": '#include "schema/types.h"\n',
    "rpc/channel.cc": '#include "rpc/channel.h"\n#include "rpc/wire.h"\n',
    "rpc/wire.h": '#include "schema/warmfs.capnp.h"\n',
    "rpc/CMakeLists.txt":
        "add_library(warmfs_rpc STATIC channel.cc)  # fuse3 in a comment\n"
        "target_link_libraries(warmfs_rpc PUBLIC warmfs_schema warmfs_wire)\n",
    "cache/cache.h": '#include "schema/types.h"\n',
    "cache/impl.h": '#include "rocksdb/db.h"\n#include "cache/cache.h"\n',
    "cache/cache.cc": '#include "cache/impl.h"\n',
    "cache/inspector.cc": '#include "cache/cache.h"\n',
    "cache/CMakeLists.txt":
        "add_library(warmfs_cache STATIC cache.cc)\n"
        "target_link_libraries(warmfs_cache PUBLIC warmfs_schema\n"
        "  PRIVATE PkgConfig::ROCKSDB)\n",
    "fuse/tree.h": '#include "cache/cache.h"\n#include "rpc/channel.h"\n',
    "fuse/session_internal.h": "#include <fuse_lowlevel.h>\n",
    "fuse/session.cc": '#include "fuse/session_internal.h"\n',
    "fuse/CMakeLists.txt":
        "add_library(warmfs_session STATIC session.cc)\n"
        "target_link_libraries(warmfs_session PUBLIC warmfs_rpc warmfs_cache\n"
        "  PRIVATE PkgConfig::FUSE3)\n",
    "hostd/export.h": '#include "schema/types.h"\n',
    "hostd/service.cc": "#include <kj/debug.h>\n",
    "hostd/guarded_stream.h": "#include <capnp/rpc.h>\n",
    "hostd/posix/proc_path.h": "#include <unistd.h>\n",
    "hostd/posix/file.cc":
        '#include <sys/stat.h>\n#include "hostd/posix/proc_path.h"\n',
    "hostd/win32/file.cc":
        '#include <windows.h>\n#include "hostd/export.h"\n',
    "hostd/CMakeLists.txt":
        "add_library(warmfs_hostd STATIC service.cc)\n"
        "target_link_libraries(warmfs_hostd PUBLIC warmfs_rpc)\n",
    "cli/main.cc": '#include "fuse/tree.h"\n',
    "bench/main.cc": '#include "cli/main.h"\n',
    "tests/cache/codec_test.cc": '#include "cache/impl.h"\n',
    "tests/cache/CMakeLists.txt":
        "warmfs_test(cache_tests SOURCES codec_test.cc\n"
        "  LIBS warmfs_cache PkgConfig::ROCKSDB)\n",
    "tests/rpc/wire_test.cc": "#include <capnp/message.h>\n",
    "tests/fuse/long_test.cc": "//\n" * MAX_SOURCE_LINES,
    "tests/fuse/long.h": "//\n" * MAX_HEADER_LINES,
}

# What is planted: file, text to append, and what must be said about it.
PLANTED = (
    ("fuse/tree.h", "#include <fuse_lowlevel.h>", "libfuse is not for"),
    ("fuse/tree.cc", "# include <fuse3/fuse.h>", "libfuse is not for"),
    ("fuse/tree.cc", '#include "fuse/session_internal.h"', "by way of"),
    ("cli/main.cc", "#include <fuse.h>", "libfuse is not for"),
    ("tests/fuse/tree_test.cc", "#include <fuse_opt.h>", "libfuse is not for"),
    ("fuse/tree.cc", '#include "rocksdb/db.h"', "RocksDB is not for"),
    ("cache/cache.h", "#include <rocksdb/db.h>", "RocksDB is not for"),
    ("cache/inspector.cc", '#include "cache/impl.h"', "RocksDB is not for"),
    ("cache/inspector.h", "#include <rocksdb/db.h>", "RocksDB is not for"),
    ("tests/fuse/tree_test.cc", "#include <rocksdb/db.h>", "RocksDB is not"),
    ("bench/main.cc", "#include <kj/debug.h>", "KJ is not for"),
    ("cache/cache.cc", "#include <capnp/message.h>", "KJ is not for"),
    ("fuse/tree.cc", '#include "schema/warmfs.capnp.h"', "KJ is not for"),
    ("fuse/tree.cc", '#include "rpc/wire.h"', "KJ is not for"),
    ("hostd/export.h", "#include <kj/async.h>", "KJ is not for"),
    *((f"rpc/{name}.h", '#include "rpc/wire.h"', "KJ is not for") for name in (
        "channel", "remote", "connector", "endpoint", "stats", "socket",
        "mux")),
    ("schema/types.h", '#include "rpc/channel.h"', "schema/ may not include"),
    ("rpc/channel.cc", '#include "cache/cache.h"', "rpc/ may not include"),
    ("rpc/channel.cc", '#include "fuse/tree.h"', "rpc/ may not include"),
    ("cache/cache.cc", '#include "fuse/tree.h"', "cache/ may not include"),
    ("cache/cache.cc", '#include "rpc/channel.h"', "cache/ may not include"),
    ("cache/cache.cc", '#include "hostd/export.h"', "cache/ may not include"),
    ("fuse/tree.h", '#include "hostd/export.h"', "fuse/ may not include"),
    ("hostd/service.cc", '#include "cache/cache.h"', "hostd/ may not include"),
    ("hostd/service.cc", '#include "fuse/tree.h"', "hostd/ may not include"),
    ("fuse/tree.cc", '#include "cli/common.h"', "fuse/ may not include"),
    ("cli/main.cc", '#include "bench/main.h"', "cli/ may not include"),
    ("fuse/tree.cc", '#include "tests/fuse/long.h"', "fuse/ may not include"),
    ("rpc/CMakeLists.txt", "target_link_libraries(warmfs_rpc PRIVATE "
     "PkgConfig::FUSE3)", "may not link libfuse"),
    ("hostd/CMakeLists.txt", "target_link_libraries(warmfs_hostd PRIVATE\n"
     "  rocksdb)", "may not link RocksDB"),
    ("cache/CMakeLists.txt", "target_link_libraries(warmfs_cache PRIVATE "
     "CapnProto::kj)", "may not link Cap'n Proto"),
    ("fuse/CMakeLists.txt", "target_link_libraries(warmfs_session PUBLIC "
     "warmfs_wire)", "may not link Cap'n Proto"),
    ("fuse/CMakeLists.txt", "target_link_libraries(warmfs_session PUBLIC "
     "warmfs_hostd)", "may not link warmfs_hostd"),
    ("fuse/CMakeLists.txt", "target_link_libraries(warmfs_session PUBLIC "
     "PkgConfig::FUSE3)", "must link libfuse PRIVATE"),
    ("tests/fuse/CMakeLists.txt", "warmfs_test(fuse_tests SOURCES x.cc LIBS "
     "PkgConfig::ROCKSDB)", "may not link RocksDB"),
    ("hostd/export.h", "#include <sys/stat.h>", "a system's header"),
    ("hostd/export.cc", "#include <windows.h>", "a system's header"),
    ("schema/types.h", "#include <unistd.h>", "a system's header"),
    ("hostd/export.cc", '#include "hostd/posix/proc_path.h"',
     "of its own system"),
    ("hostd/win32/file.cc", '#include "hostd/posix/proc_path.h"',
     "of its own system"),
    ("tests/fuse/long_test.cc", "//", "a source has at most"),
    ("tests/fuse/long.h", "//", "a header has at most"),
)


def violations_of(tree):
    with tempfile.TemporaryDirectory() as directory:
        for path, text in tree.items():
            file = pathlib.Path(directory, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return list(check(directory))


def self_test():
    failures = []
    clean = violations_of(CLEAN)
    if clean:
        failures.append(f"the clean tree has violations: {clean}")
    for path, text, expected in PLANTED:
        found = violations_of({**CLEAN, path: CLEAN.get(path, "") + text + "\n"})
        if not any(v.startswith(path) and expected in v for v in found):
            failures.append(f"{path}: {text!r} was not found; only: {found}")
    for folder in FOLDERS:
        rest = {p: t for p, t in CLEAN.items() if top(p) != folder}
        if not any("no sources" in v for v in violations_of(rest)):
            failures.append(f"{folder}/ was missing, and nothing was said")
    for failure in failures:
        print(failure)
    return len(failures)


def main(arguments):
    if arguments == ["--self-test"]:
        return 1 if self_test() else 0
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__.strip(), file=sys.stderr)
        return 64
    here = pathlib.Path(__file__).resolve().parent.parent
    violations = list(check(arguments[0] if arguments else here))
    for violation in violations:
        print(violation)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
