// A directory of the test's own on any system, which goes away with all that is
// in it. What holds anything in there has to be gone before.

#ifndef WARMFS_TESTS_HOSTD_SCRATCH_DIRECTORY_H_
#define WARMFS_TESTS_HOSTD_SCRATCH_DIRECTORY_H_

#include <filesystem>
#include <random>
#include <string>
#include <system_error>

namespace warmfs::hostd {

class ScratchDirectory {
 public:
  ScratchDirectory()
      : path_(std::filesystem::temp_directory_path() /
              ("warmfs-test-" + std::to_string(std::random_device()()))) {
    std::filesystem::create_directories(path_);
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  const std::filesystem::path path_;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_TESTS_HOSTD_SCRATCH_DIRECTORY_H_
