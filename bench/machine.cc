#include "bench/machine.h"

#include <mntent.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <thread>

namespace warmfs::bench {
namespace {

std::string CpuName() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != line.npos) {
      return line.substr(colon + 2);
    }
  }
  return "unknown";
}

bool Holds(const std::string& mountpoint, const std::string& path) {
  return mountpoint == "/" || path == mountpoint ||
         path.starts_with(mountpoint + "/");
}

}  // namespace

Machine ThisMachine() {
  utsname names = {};
  uname(&names);
  return {.kernel = std::string(names.sysname) + " " + names.release,
          .architecture = names.machine,
          .cpu = CpuName(),
          .cpus = std::thread::hardware_concurrency(),
          .memory_bytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                          static_cast<uint64_t>(sysconf(_SC_PAGESIZE))};
}

std::string FileSystemOf(const std::string& path) {
  std::string kind = "unknown";
  size_t longest = 0;
  FILE* table = setmntent("/proc/self/mounts", "re");
  if (table == nullptr) return kind;
  while (const mntent* entry = getmntent(table)) {
    const std::string at = entry->mnt_dir;
    // The last of equals: it was mounted over the others.
    if (Holds(at, path) && at.size() >= longest) {
      kind = entry->mnt_type;
      longest = at.size();
    }
  }
  endmntent(table);
  return kind;
}

}  // namespace warmfs::bench
