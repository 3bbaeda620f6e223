// The watch sources of a Linux host, for tests that run with each of them.

#ifndef WARMFS_TESTS_HOSTD_SOURCES_H_
#define WARMFS_TESTS_HOSTD_SOURCES_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "hostd/posix/watch_source.h"

namespace warmfs::hostd {

enum class SourceKind { kInotify, kFanotify };

// Each of them; `root`: a directory of the file system that is watched first.
absl::StatusOr<std::unique_ptr<WatchSource>> MakeSource(
    SourceKind kind, const std::string& root);

// Why this process cannot have it on the temporary directory's file system;
// empty if it can.
std::string WhyNot(SourceKind kind);

std::string NameOf(SourceKind kind);

}  // namespace warmfs::hostd

#endif  // WARMFS_TESTS_HOSTD_SOURCES_H_
