// The path by which the kernel leads back to the object behind a descriptor of
// this process. Calls that refuse an O_PATH descriptor (open, setxattr, chmod)
// take this path instead: it jumps to the pinned object itself, with no walk
// that a rename or a symbolic link could lead elsewhere. A plain value.

#ifndef WARMFS_HOSTD_POSIX_PROC_PATH_H_
#define WARMFS_HOSTD_POSIX_PROC_PATH_H_

#include <charconv>
#include <cstring>
#include <string>

namespace warmfs::hostd {

class ProcPath {
 public:
  explicit ProcPath(int fd) {
    constexpr char kPrefix[] = "/proc/self/fd/";
    std::memcpy(text_, kPrefix, sizeof(kPrefix) - 1);
    char* const number = text_ + sizeof(kPrefix) - 1;
    *std::to_chars(number, text_ + sizeof(text_) - 1, fd).ptr = '\0';
  }

  const char* c_str() const { return text_; }
  // An entry of the directory behind the descriptor. `name` is one component.
  std::string Child(const std::string& name) const {
    return std::string(text_) + '/' + name;
  }

 private:
  char text_[32];
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_POSIX_PROC_PATH_H_
