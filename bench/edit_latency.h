// How long it takes until an edit is seen: a small file is written to in one
// directory and looked at in another one, which is a mount of it, or itself for
// reference.
//
// Two ways to see it, each with edits of its own, so that neither weighs on the
// other. A program that reads again and again, opening the file each time: from
// the write until the new bytes are there. And one that sleeps in poll(2) on an
// inotify descriptor: from the write until it holds the MODIFY event; then the
// new bytes must be there at once, or the edit counts as one whose event came
// too early. Between edits all is quiet for a moment, as it is between those of
// a person.
//
// Owned by one thread.

#ifndef WARMFS_BENCH_EDIT_LATENCY_H_
#define WARMFS_BENCH_EDIT_LATENCY_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/results.h"
#include "schema/unique_fd.h"

namespace warmfs::bench {

class EditProbe {
 public:
  // Makes the file in `edited`, and watches `seen`.
  static absl::StatusOr<EditProbe> Make(std::string system,
                                        const std::string& edited,
                                        const std::string& seen);

  // One edit each. DeadlineExceeded if it is not seen within seconds.
  absl::Status Read();
  absl::Status Watch();

  const EditSeries& series() const { return series_; }

 private:
  EditProbe() = default;
  absl::StatusOr<int64_t> Edit();
  absl::StatusOr<bool> IsNew() const;
  absl::Status AwaitBytes(int64_t start);
  // The end of the edit is told by CLOSE_WRITE.
  absl::Status AwaitEvent(uint32_t mask, int64_t start);

  EditSeries series_;
  std::string edited_file_;
  std::string seen_file_;
  UniqueFd inotify_;
  uint32_t come_ = 0;    // events of the edit at hand
  std::string content_;  // that the file has after it
  uint64_t number_ = 0;
};

// So many edits of each kind in each of both, in turn. `edited` is a directory
// of the benchmark's own, and `seen` the same in the mount of `system`.
absl::StatusOr<std::vector<EditSeries>> MeasureEdits(const std::string& system,
                                                     const std::string& edited,
                                                     const std::string& seen,
                                                     uint64_t edits);

}  // namespace warmfs::bench

#endif  // WARMFS_BENCH_EDIT_LATENCY_H_
