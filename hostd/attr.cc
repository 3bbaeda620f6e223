#include "hostd/attr.h"

#include <utility>

#include "hostd/resolve.h"

namespace warmfs::hostd {
namespace {

// Kernel ticks are at most 10 ms apart on Linux, 16 ms on Windows; file systems
// without nanoseconds count in seconds, FAT in pairs of them.
constexpr int64_t kGranularityNanos = 20'000'000;
constexpr int64_t kCoarseGranularityNanos = 2'000'000'000;
constexpr int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace

bool IsRacy(const Timestamp& ctime, const Timestamp& now) {
  if (ctime.sec > now.sec) return true;
  if (ctime.sec < now.sec - 4) return false;  // nor may the product overflow
  const int64_t age = (now.sec - ctime.sec) * kNanosPerSecond +
                      static_cast<int64_t>(now.nsec) - ctime.nsec;
  return age < (ctime.nsec == 0 ? kCoarseGranularityNanos : kGranularityNanos);
}

int AttrReader::Read(int fd, Attr* out) const {
  if (const int error = ReadReal(fd, out)) return error;
  overlay_.Apply(fd, out);
  return 0;
}

int AttrReader::ReadEntry(int dir, const std::string& name, Attr* out,
                          UniqueFd* pin) const {
  UniqueFd entry;
  if (const int error = OpenChild(dir, name, &entry)) return error;
  if (const int error = ReadReal(entry.get(), out)) return error;
  overlay_.ApplyToEntry(dir, name, out);
  if (pin != nullptr) *pin = std::move(entry);
  return 0;
}

}  // namespace warmfs::hostd
