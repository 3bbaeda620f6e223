// hostd/file.h by system calls of Linux: content.

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hostd/file.h"

namespace warmfs::hostd {

int ReadAt(int fd, uint64_t offset, char* buffer, size_t bytes, size_t* done) {
  *done = 0;
  while (*done < bytes) {
    const ssize_t n = pread(fd, buffer + *done, bytes - *done,
                            static_cast<off_t>(offset + *done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) break;
    *done += static_cast<size_t>(n);
  }
  return 0;
}

int WriteAt(int fd, uint64_t offset, std::string_view data, size_t* done) {
  *done = 0;
  while (*done < data.size()) {
    const ssize_t n = pwrite(fd, data.data() + *done, data.size() - *done,
                             static_cast<off_t>(offset + *done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && *done == 0) return errno;
    if (n <= 0) break;
    *done += static_cast<size_t>(n);
  }
  return 0;
}

// One call, since another writer may append between two. RWF_APPEND and not
// O_APPEND: the descriptor may be one that was kept from before.
int AppendTo(int fd, std::string_view data, size_t* done) {
  const iovec part{const_cast<char*>(data.data()), data.size()};
  const ssize_t n = pwritev2(fd, &part, 1, 0, RWF_APPEND);
  if (n < 0) return errno;
  *done = static_cast<size_t>(n);
  return 0;
}

int SetSize(int fd, uint64_t bytes) {
  return ftruncate(fd, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
}

int AllocateRange(int fd, int mode, uint64_t offset, uint64_t length) {
  return fallocate(fd, mode, static_cast<off_t>(offset),
                   static_cast<off_t>(length)) == 0
             ? 0
             : errno;
}

int FindData(int fd, uint64_t offset, bool hole, uint64_t* found) {
  const off_t at =
      lseek(fd, static_cast<off_t>(offset), hole ? SEEK_HOLE : SEEK_DATA);
  if (at < 0) return errno;
  *found = static_cast<uint64_t>(at);
  return 0;
}

int CopyWithin(int from, uint64_t from_offset, int to, uint64_t to_offset,
               uint64_t length, uint64_t* copied) {
  while (*copied < length) {
    off_t in = static_cast<off_t>(from_offset + *copied);
    off_t out = static_cast<off_t>(to_offset + *copied);
    const ssize_t n = copy_file_range(from, &in, to, &out, length - *copied, 0);
    if (n == 0) return 0;
    if (n > 0) {
      *copied += static_cast<uint64_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (*copied > 0) return 0;
    const bool unable = errno == EXDEV || errno == EINVAL ||
                        errno == EOPNOTSUPP || errno == ENOSYS;
    return unable ? EOPNOTSUPP : errno;
  }
  return 0;
}

int Flush(int fd, bool data_only) {
  return (data_only ? fdatasync(fd) : fsync(fd)) == 0 ? 0 : errno;
}

}  // namespace warmfs::hostd
