// Events on their way into the journal: those of a batch, each with the client
// that caused it.
//
// Belongs to one thread. All that it is given outlives it.

#ifndef WARMFS_HOSTD_OUTBOX_H_
#define WARMFS_HOSTD_OUTBOX_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "hostd/claims.h"
#include "hostd/journal.h"

namespace warmfs::hostd {

inline Event RevokedEvent(const FileId& dir) {
  Event event;
  event.kind = EventKind::kRevoked;
  event.directory = true;
  event.dir = dir;
  return event;
}

class Outbox {
 public:
  Outbox(Claims& claims, Journal& journal)
      : claims_(claims), journal_(journal) {}

  void StartBatch() { all_own_ = true; }
  // Of the change whose events follow.
  void SetTaken(const Timestamp& taken) { taken_ = taken; }

  // `end`: its position in the queue.
  void Emit(Event event, uint64_t end) {
    const uint64_t owner = claims_.OwnerOf(event, end);
    EmitAs(std::move(event), owner);
  }
  void EmitAs(Event event, uint64_t owner) {
    event.taken = taken_;
    all_own_ = all_own_ && owner != 0;
    out_.push_back({std::move(event), owner});
  }
  void Revoke(const FileId& dir) { EmitAs(RevokedEvent(dir), 0); }

  bool IsFull() const { return out_.size() >= kFlushEvents; }
  void Flush() {
    if (!out_.empty()) journal_.Append(&out_);
  }
  void NewEpoch() {
    out_.clear();
    journal_.NewEpoch();
  }
  // Each event of the batch has an owner so far.
  bool all_own() const { return all_own_; }

 private:
  static constexpr size_t kFlushEvents = 256;

  Claims& claims_;
  Journal& journal_;
  Timestamp taken_;
  bool all_own_ = true;
  std::vector<Journal::Item> out_;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_OUTBOX_H_
