#include "bench/edit_latency.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/file_operations.h"
#include "bench/interrupt.h"

namespace warmfs::bench {
namespace {

constexpr char kFile[] = "edited";
constexpr int64_t kPatienceNanos = 5'000'000'000;
constexpr absl::Duration kQuiet = absl::Milliseconds(5);
constexpr uint64_t kWarmUp = 5;  // edits that are not counted

int64_t NowNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

absl::Status CheckPatience(int64_t start, const std::string& what) {
  if (Interrupted()) return absl::CancelledError("interrupted");
  if (NowNanos() - start < kPatienceNanos) return absl::OkStatus();
  return absl::DeadlineExceededError(
      fmt::format("an edit was not seen within 5 s: {}", what));
}

}  // namespace

absl::StatusOr<EditProbe> EditProbe::Make(std::string system,
                                          const std::string& edited,
                                          const std::string& seen) {
  EditProbe probe;
  probe.series_.system = std::move(system);
  probe.edited_file_ = edited + "/" + kFile;
  probe.seen_file_ = seen + "/" + kFile;
  probe.inotify_ = UniqueFd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!probe.inotify_) return absl::ErrnoToStatus(errno, "inotify");
  absl::Status status = probe.Edit().status();
  if (status.ok()) status = probe.AwaitBytes(NowNanos());
  if (!status.ok()) return status;
  if (inotify_add_watch(probe.inotify_.get(), seen.c_str(),
                        IN_MODIFY | IN_CLOSE_WRITE) < 0) {
    return absl::ErrnoToStatus(errno, seen);
  }
  for (uint64_t i = 0; i < kWarmUp && status.ok(); ++i) {
    status = probe.Read();
    if (status.ok()) status = probe.Watch();
  }
  if (!status.ok()) return status;
  probe.series_ = {.system = probe.series_.system};
  return probe;
}

// In place and of the same length, so that nothing but the time tells it.
absl::StatusOr<int64_t> EditProbe::Edit() {
  content_ = fmt::format("{:08}", ++number_);
  come_ = 0;
  UniqueFd fd(open(edited_file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return absl::ErrnoToStatus(errno, edited_file_);
  const int64_t start = NowNanos();
  const ssize_t n = write(fd.get(), content_.data(), content_.size());
  if (n == static_cast<ssize_t>(content_.size())) return start;
  return absl::ErrnoToStatus(errno, edited_file_);
}

absl::StatusOr<bool> EditProbe::IsNew() const {
  UniqueFd fd(open(seen_file_.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 64> bytes;
  const ssize_t n = fd ? read(fd.get(), bytes.data(), bytes.size()) : -1;
  if (n < 0) return absl::ErrnoToStatus(errno, seen_file_);
  return std::string_view(bytes.data(), n) == content_;
}

absl::Status EditProbe::AwaitBytes(int64_t start) {
  while (true) {
    auto is_new = IsNew();
    if (!is_new.ok()) return is_new.status();
    if (*is_new) return absl::OkStatus();
    absl::Status status = CheckPatience(start, "the old bytes are still read");
    if (!status.ok()) return status;
  }
}

absl::Status EditProbe::AwaitEvent(uint32_t mask, int64_t start) {
  while ((come_ & mask) == 0) {
    pollfd wait{inotify_.get(), POLLIN, 0};
    poll(&wait, 1, 100);
    alignas(inotify_event) std::array<char, 4096> bytes;
    const ssize_t n = read(inotify_.get(), bytes.data(), bytes.size());
    for (ssize_t at = 0; at < n;) {
      inotify_event event;
      memcpy(&event, bytes.data() + at, sizeof(event));
      come_ |= event.mask;
      at += static_cast<ssize_t>(sizeof(event) + event.len);
    }
    absl::Status status = CheckPatience(start, "no event came");
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status EditProbe::Read() {
  auto start = Edit();
  if (!start.ok()) return start.status();
  absl::Status status = AwaitBytes(*start);
  series_.visible_s.push_back((NowNanos() - *start) * 1e-9);
  if (status.ok()) status = AwaitEvent(IN_CLOSE_WRITE, *start);
  absl::SleepFor(kQuiet);
  return status;
}

absl::Status EditProbe::Watch() {
  auto start = Edit();
  if (!start.ok()) return start.status();
  absl::Status status = AwaitEvent(IN_MODIFY, *start);
  series_.event_s.push_back((NowNanos() - *start) * 1e-9);
  auto is_new = IsNew();
  if (!is_new.ok()) return is_new.status();
  if (!*is_new) ++series_.too_early;
  if (status.ok()) status = AwaitEvent(IN_CLOSE_WRITE, *start);
  absl::SleepFor(kQuiet);
  return status;
}

absl::StatusOr<std::vector<EditSeries>> MeasureEdits(const std::string& system,
                                                     const std::string& edited,
                                                     const std::string& seen,
                                                     uint64_t edits) {
  // Two levels down: the mount hears of its own directories and their
  // children's names, and must not hear of this one.
  const std::string native = edited + "/native";
  const std::string mounted = "/mounted";
  for (const std::string& directory :
       {native, native + "/unseen", edited + mounted}) {
    absl::Status status = MakeDirectory(directory);
    if (!status.ok()) return status;
  }
  auto reference =
      EditProbe::Make("native", native + "/unseen", native + "/unseen");
  if (!reference.ok()) return reference.status();
  auto probe = EditProbe::Make(system, edited + mounted, seen + mounted);
  if (!probe.ok()) return probe.status();
  for (uint64_t i = 0; i < edits; ++i) {
    for (EditProbe* one : {&*reference, &*probe}) {
      absl::Status status = one->Read();
      if (status.ok()) status = one->Watch();
      if (!status.ok()) return status;
    }
  }
  return std::vector{reference->series(), probe->series()};
}

}  // namespace warmfs::bench
