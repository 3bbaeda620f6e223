// Owns one descriptor of the system and closes it: a file descriptor, or on
// Windows a handle, of which 32 bits are significant there. Movable,
// thread-compatible.

#ifndef WARMFS_SCHEMA_UNIQUE_FD_H_
#define WARMFS_SCHEMA_UNIQUE_FD_H_

#include <utility>

namespace warmfs {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ != -1; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset() {
    if (fd_ != -1) Close(Release());
  }

 private:
  static void Close(int fd);

  int fd_ = -1;
};

}  // namespace warmfs

#endif  // WARMFS_SCHEMA_UNIQUE_FD_H_
