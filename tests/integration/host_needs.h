// What a test needs of the host that not every host has. This build's own
// daemon has to have all of it, so nothing is asked of it and nothing skipped.
// Of another one (WARMFS_TEST_HOST) each need is tried out on the mount, and a
// test whose need is not met is skipped, and says which.

#ifndef WARMFS_TESTS_INTEGRATION_HOST_NEEDS_H_
#define WARMFS_TESTS_INTEGRATION_HOST_NEEDS_H_

#include <string>

namespace warmfs::testing {

enum class Need {
  kSymbolicLinks,
  kNanoseconds,  // of times
  kOwnModes,     // a mode set in the mount is that of the host's own file
  kHostLocks,    // with locks=host: the host's programs see them
  kExchange,     // of two names
  kOwnNames,     // any bytes of a name are those of the host's own file
  kHoles,        // are found by SEEK_DATA
  kFallocate,
  kExtendedAttributes,
  kFifos,
  kReplacedFiles,  // are read on by who has read of them just before
  kNothingElse,    // the host's directory has only what is seen in the mount
  kOwnEvents,      // that attributes change is told as that
};

// "" if it is met; otherwise what there is not. `mnt` shows `host`.
std::string Unmet(Need need, const std::string& mnt, const std::string& host);

// In a test of MountTest, when it has mounted.
#define WARMFS_TEST_NEEDS(need)                                             \
  if (const std::string unmet = Unmet(need, Mnt(), Host()); !unmet.empty()) \
  GTEST_SKIP() << "this host has no " << unmet

}  // namespace warmfs::testing

#endif  // WARMFS_TESTS_INTEGRATION_HOST_NEEDS_H_
