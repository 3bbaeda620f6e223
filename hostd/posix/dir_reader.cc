#include "hostd/dir_reader.h"

#include <dirent.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

namespace warmfs::hostd {

DirReader::DirReader(UniqueFd fd)
    : fd_(std::move(fd)), buffer_(std::make_unique<char[]>(kBufferBytes)) {}

int DirReader::Next(std::string* name) {
  name->clear();
  while (name->empty()) {
    if (next_ == end_) {
      const long size =
          syscall(SYS_getdents64, fd_.get(), buffer_.get(), kBufferBytes);
      if (size < 0) return errno == ENOENT ? ESTALE : errno;
      if (size == 0) return 0;
      next_ = 0;
      end_ = static_cast<size_t>(size);
    }
    // The kernel's records: the layout of struct dirent64, but not its size.
    const char* const record = buffer_.get() + next_;
    uint16_t record_bytes = 0;
    std::memcpy(&record_bytes, record + offsetof(dirent64, d_reclen),
                sizeof(record_bytes));
    next_ += record_bytes;
    const std::string_view found(record + offsetof(dirent64, d_name));
    if (found != "." && found != "..") name->assign(found);
  }
  return 0;
}

int DirReader::Rewind() {
  next_ = end_ = 0;
  return lseek(fd_.get(), 0, SEEK_SET) == 0 ? 0 : errno;
}

}  // namespace warmfs::hostd
