// A directory of the test's own, which goes away with all that is in it.
//
// Thread-compatible.

#ifndef WARMFS_TESTS_SUPPORT_TEMP_DIR_H_
#define WARMFS_TESTS_SUPPORT_TEMP_DIR_H_

#include <string>
#include <string_view>

namespace warmfs {

class TempDir {
 public:
  // Ends the test's process if there can be none.
  explicit TempDir(const std::string& parent = "/tmp");
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // The path of what is, or will be, in it.
  std::string operator/(std::string_view name) const;

 private:
  std::string path_;
};

}  // namespace warmfs

#endif  // WARMFS_TESTS_SUPPORT_TEMP_DIR_H_
