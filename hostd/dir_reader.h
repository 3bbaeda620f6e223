// The names in a directory, one after the other without "." and
// "..". Thread-compatible; owns its descriptor and one buffer.

#ifndef WARMFS_HOSTD_DIR_READER_H_
#define WARMFS_HOSTD_DIR_READER_H_

#include <memory>
#include <string>

#include "schema/unique_fd.h"

namespace warmfs::hostd {

class DirReader {
 public:
  // `fd`: a directory opened for reading.
  explicit DirReader(UniqueFd fd);

  // The next name, empty at the end. An errno, 0 on success.
  int Next(std::string* name);
  // Back to the first name.
  int Rewind();
  int fd() const { return fd_.get(); }

 private:
  static constexpr size_t kBufferBytes = 32 * 1024;

  UniqueFd fd_;
  std::unique_ptr<char[]> buffer_;
  size_t next_ = 0;
  size_t end_ = 0;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_DIR_READER_H_
