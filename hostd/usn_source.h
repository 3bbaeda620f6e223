// A subtree source that reads the volume's USN journal.
//
// A record has the numbers of an object and of its directory, and the name
// there; where they are is asked of the volume, and what is not beneath the
// export is left out. To a hostd that may not read the whole volume Windows
// tells no names: then they are those that the objects have now, and of one
// that has gone nobody knows the name, which is kLost.
//
// Reasons add up while anybody has the file open, so each record is compared
// with the one before it of that file. A file that is written to again and
// again while it is open has one record for it, until it is closed.
//
// The stream goes on after a restart of hostd: a cursor is the journal's id and
// the number to read on from, which is that of the first half of a move as long
// as the other has not come. What is not in the journal any more, another
// journal, and bytes that are no records, are kLost, and reading goes on at the
// journal's head. A journal that is being deleted, or is gone, is kEnded.
//
// Thread-safe, but Wait, Take and cursor belong to one thread.

#ifndef WARMFS_HOSTD_USN_SOURCE_H_
#define WARMFS_HOSTD_USN_SOURCE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "hostd/subtree_source.h"
#include "hostd/usn_record.h"
#include "hostd/usn_volume.h"

namespace warmfs::hostd {

class UsnSource final : public SubtreeSource {
 public:
  // Files whose reasons are remembered at a time. Beyond that they are
  // forgotten, and what was told of an open file is told again.
  static constexpr size_t kMostOpen = 65536;
  // Of one Take.
  static constexpr int kMostReads = 16;

  // An error if the volume has no journal that hostd may read; its text says
  // why. `cursor` may be empty, or anything.
  static absl::StatusOr<std::unique_ptr<UsnSource>> Create(
      std::unique_ptr<UsnVolume> volume, const std::string& cursor = "");

  // --- SubtreeSource ---
  int PlaceMarker(uint64_t number) override;
  void Wait(absl::Duration timeout) override;
  void Wake() override { volume_->Wake(); }
  void Take(std::vector<Change>* out) override;
  std::string cursor() const override;
  Ways ways() const override { return {.tells_closes = true}; }

 private:
  struct Marker {
    uint64_t number;
    int64_t behind;  // comes out when this much has been read
  };
  struct OpenFile {
    uint32_t reasons = 0;
    std::optional<Change> moved_from;  // its other half has yet to come
    int64_t moved_at = 0;
  };
  // Where a record's name is. `path` of the directory.
  struct Place {
    std::string path;
    std::string name;
  };

  UsnSource(std::unique_ptr<UsnVolume> volume, const UsnVolume::Journal& at)
      : volume_(std::move(volume)), journal_(at.id), next_(at.next) {}

  // One read. False: there is nothing more for now.
  bool ReadSome(std::vector<Change>* out);
  // Changes may be missing: go on from the head.
  void Lose(std::vector<Change>* out);
  void End(std::vector<Change>* out);
  void GiveMarkers(std::vector<Change>* out) ABSL_LOCKS_EXCLUDED(mu_);

  void ForgetOpen(std::vector<Change>* out);
  void Tell(const UsnRecord& record, std::vector<Change>* out);
  void TellNames(const UsnRecord& record, uint32_t fresh, OpenFile& open,
                 std::vector<Change>* out);
  void TellMove(const UsnRecord& record, OpenFile& open,
                std::vector<Change>* out);
  std::optional<Change> MakeChange(const UsnRecord& record, ChangeKind kind,
                                   std::vector<Change>* out);
  std::optional<Place> PlaceOf(const UsnRecord& record, bool goes,
                               bool* unknown);
  const std::optional<std::string>& DirectoryOf(const FileRef& ref);

  const std::unique_ptr<UsnVolume> volume_;
  // Of the thread that takes.
  uint64_t journal_;
  int64_t next_;
  bool lost_ = false;  // before anything else is told
  bool ended_ = false;
  absl::flat_hash_map<FileRef, OpenFile> open_;
  // Of one read.
  absl::flat_hash_map<FileRef, std::optional<std::string>> directories_;
  Timestamp taken_;

  absl::Mutex mu_;
  std::deque<Marker> markers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_USN_SOURCE_H_
