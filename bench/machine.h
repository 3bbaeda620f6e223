// What figures depend on, to be kept beside them. Stateless.

#ifndef WARMFS_BENCH_MACHINE_H_
#define WARMFS_BENCH_MACHINE_H_

#include <cstdint>
#include <string>

namespace warmfs::bench {

struct Machine {
  std::string kernel;
  std::string architecture;
  std::string cpu;
  unsigned cpus = 0;
  uint64_t memory_bytes = 0;
};
Machine ThisMachine();

// "ext4", "tmpfs": the kind of file system that holds `path`.
std::string FileSystemOf(const std::string& path);

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_MACHINE_H_
