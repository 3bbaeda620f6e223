#include "bench/file_operations.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "bench/interrupt.h"
#include "schema/unique_fd.h"

namespace warmfs::bench {
namespace {

constexpr size_t kChunkBytes = 128 * 1024;
constexpr size_t kPageBytes = 4096;
constexpr size_t kSmallFileBytes = 1024;
constexpr uint64_t kSeed = 20240229;

absl::Status ErrnoStatus(const std::string& what) {
  const int error = errno;
  if (error == EINTR && Interrupted()) {
    return absl::CancelledError("interrupted");
  }
  if (error == EROFS) {
    return absl::PermissionDeniedError(what + ": read only");
  }
  return absl::ErrnoToStatus(error, what);
}

absl::Status CheckInterrupt() {
  return Interrupted() ? absl::CancelledError("interrupted") : absl::OkStatus();
}

// Of so few bytes that it does not weigh on the time.
uint64_t Fingerprint(const char* data, ssize_t n) {
  uint64_t first = 0;
  memcpy(&first, data, std::min<size_t>(n, sizeof(first)));
  return first;
}

// Reads to the end, adding to `sum`.
absl::Status Drain(const std::string& path, std::vector<char>& buffer,
                   uint64_t& sum) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(path);
  while (true) {
    const ssize_t n = read(fd.get(), buffer.data(), buffer.size());
    if (n < 0) return ErrnoStatus(path);
    if (n == 0) return CheckInterrupt();
    sum += n + Fingerprint(buffer.data(), n);
    if (Interrupted()) return CheckInterrupt();
  }
}

std::string SmallFile(const std::string& directory, uint64_t n) {
  return fmt::format("{}/file-{:06}", directory, n);
}

}  // namespace

absl::StatusOr<uint64_t> StatAll(const std::string& root,
                                 const std::vector<std::string>& paths) {
  uint64_t sum = 0;
  for (const std::string& path : paths) {
    const std::string full = root + "/" + path;
    struct stat st;
    if (lstat(full.c_str(), &st) != 0) return ErrnoStatus(full);
    // The size of a directory is the file system's own affair.
    sum += S_ISDIR(st.st_mode) ? 1 : st.st_size;
    if (Interrupted()) return CheckInterrupt();
  }
  return sum;
}

absl::StatusOr<uint64_t> ReadAll(const std::string& root,
                                 const std::vector<std::string>& paths) {
  std::vector<char> buffer(kChunkBytes);
  uint64_t sum = 0;
  for (const std::string& path : paths) {
    absl::Status status = Drain(root + "/" + path, buffer, sum);
    if (!status.ok()) return status;
  }
  return sum;
}

absl::StatusOr<uint64_t> ReadSequentially(const std::string& path) {
  std::vector<char> buffer(kChunkBytes);
  uint64_t sum = 0;
  absl::Status status = Drain(path, buffer, sum);
  if (!status.ok()) return status;
  return sum;
}

absl::StatusOr<uint64_t> ReadAtRandom(const std::string& path, uint64_t bytes,
                                      uint64_t reads) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(path);
  std::mt19937_64 random(kSeed);
  const uint64_t pages = std::max<uint64_t>(bytes / kPageBytes, 1);
  char page[kPageBytes];
  uint64_t sum = 0;
  for (uint64_t i = 0; i < reads; ++i) {
    const auto at = static_cast<off_t>(random() % pages * kPageBytes);
    const ssize_t n = pread(fd.get(), page, sizeof(page), at);
    if (n < 0) return ErrnoStatus(path);
    sum += n + Fingerprint(page, n);
    if (Interrupted()) return CheckInterrupt();
  }
  return sum;
}

absl::Status MakeDirectory(const std::string& path) {
  return mkdir(path.c_str(), 0755) == 0 ? absl::OkStatus() : ErrnoStatus(path);
}

absl::StatusOr<uint64_t> CreateFiles(const std::string& directory,
                                     uint64_t files) {
  const std::string content(kSmallFileBytes, 'w');
  for (uint64_t i = 0; i < files; ++i) {
    const std::string path = SmallFile(directory, i);
    UniqueFd fd(
        open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!fd) return ErrnoStatus(path);
    const ssize_t n = write(fd.get(), content.data(), content.size());
    if (n != static_cast<ssize_t>(content.size())) return ErrnoStatus(path);
    if (close(fd.Release()) != 0) return ErrnoStatus(path);
    if (Interrupted()) return CheckInterrupt();
  }
  return files;
}

absl::StatusOr<uint64_t> DeleteFiles(const std::string& directory,
                                     uint64_t files) {
  for (uint64_t i = 0; i < files; ++i) {
    const std::string path = SmallFile(directory, i);
    if (unlink(path.c_str()) != 0) return ErrnoStatus(path);
    if (Interrupted()) return CheckInterrupt();
  }
  return files;
}

absl::Status WriteLargeFile(const std::string& path, uint64_t bytes) {
  UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd) return ErrnoStatus(path);
  std::mt19937_64 random(kSeed);
  std::vector<uint64_t> words(kChunkBytes / sizeof(uint64_t));
  for (uint64_t written = 0; written < bytes;) {
    for (uint64_t& word : words) word = random();
    const size_t wanted = std::min<uint64_t>(kChunkBytes, bytes - written);
    const ssize_t n = write(fd.get(), words.data(), wanted);
    if (n <= 0) return ErrnoStatus(path);
    written += n;
    if (Interrupted()) return CheckInterrupt();
  }
  return absl::OkStatus();
}

}  // namespace warmfs::bench
