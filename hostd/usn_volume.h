// What the journal's source asks of a volume: its USN journal, and where the
// objects are that the journal names by their numbers. The seam is at Windows'
// own calls, so a test can script a journal byte by byte.
//
// Thread-safe.

#ifndef WARMFS_HOSTD_USN_VOLUME_H_
#define WARMFS_HOSTD_USN_VOLUME_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "hostd/usn_record.h"
#include "schema/types.h"

namespace warmfs::hostd {

class UsnVolume {
 public:
  struct Journal {
    uint64_t id = 0;
    int64_t first = 0;  // the oldest record that is kept
    int64_t next = 0;   // what the next record will have
  };
  virtual ~UsnVolume() = default;

  // Windows' errors, 0 on success.
  virtual int Query(Journal* out) = 0;
  // As ParseUsnBatch takes it, of the journal with this id. Does not wait.
  virtual int Read(uint64_t journal, int64_t from, std::string* bytes) = 0;

  // Beneath the export's root, as clients have it, now; "" is the root.
  // Nothing: it is not there, or not beneath it.
  virtual std::optional<std::string> PathOf(const FileRef& object) = 0;
  // As AttrReader has it.
  virtual FileId IdOf(const FileRef& object) const = 0;
  virtual bool Exists(const std::string& path) = 0;

  // Until the journal has more than `next`, Wake was called, or `timeout` is
  // over.
  virtual void Wait(int64_t next, absl::Duration timeout) = 0;
  virtual void Wake() = 0;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_USN_VOLUME_H_
