// Takes events of the host's journal into the cache and the tree, has the
// kernel drop what they make untrue, and says what is to be raised for its
// watchers.
//
// For each event: what is known is looked up, decide.h decides, and the edits
// go into the cache in one batch with the journal's cursor, so that what
// survives a crash is a prefix. Kernel notifications are queued (notifier.h)
// before the injections are given out: a watcher that is told looks, and must
// see the new.
//
// Races (tree.h, decide.h). The applier works under the file system's
// apply_mu_, one event at a time, so it crosses no answer that is being
// applied. A change of our own that is under way on the same file or directory
// is waited for, up to kPatience: its reply tells whether the event is its
// echo. When it takes longer, the event goes first and marks what the change is
// about (Tree::Touch): which of the two is newer is not told, so of the reply
// neither names nor attributes are believed (change.cc).
//
// Belongs to one thread (the follower's).

#ifndef WARMFS_FUSE_APPLIER_H_
#define WARMFS_FUSE_APPLIER_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "fuse/decide.h"
#include "fuse/file_system.h"
#include "fuse/injection.h"
#include "fuse/timeline.h"

namespace warmfs::fuse {

class Applier {
 public:
  static constexpr absl::Duration kPatience = absl::Milliseconds(20);

  // Told of each event, for those who want to see (may be empty).
  using Observer = std::function<void(const Event&, const Decision&,
                                      const Injection* raised)>;

  Applier(FileSystem& fs, Observer observer)
      : fs_(fs), observer_(std::move(observer)) {}

  // Takes in these events, which follow each other in this journal; what is to
  // be raised, in order.
  std::vector<Injection> Apply(uint64_t journal,
                               absl::Span<const Event> events);

 private:
  static constexpr size_t kMaxLostLinks = 4096;

  struct Subject {
    const Event* event;
    NodeId dir_node = 0;
    NodeId entry_node = 0;
    Known known;
  };

  Subject LookUp(const Event& event);
  // Links are gone when an event before that of their name looks at the file.
  // Until then they are remembered, so that what the name stood for has the
  // links that it had then, and is not taken for gone with it.
  void RestoreLinks(Subject& s);
  static bool ChangesLinks(const Subject& s);
  // False if they are under way all the same.
  bool AwaitOwnChanges(const Event& event) const;
  void Cross(const Subject& s) const;
  // `moves`: the name's object is about to be found under another one.
  void Take(const Subject& s, const Decision& d, bool moves, cache::Edit& edit);
  void TakeName(const Subject& s, const Decision& d, bool moves,
                cache::Edit& edit);
  void WantDrop(const Subject& s, const Decision& d) const;
  void TellKernel(const Subject& s, const Decision& d);
  void Revoke(const Event& event, cache::Edit& edit);
  // What the name stood for just before the event.
  Attr Before(const Subject& s) const;

  std::optional<Injection> Raise(const Subject& s, const Decision& d);
  std::optional<Injection> RaiseMove(const Subject& from, const Subject& to,
                                     bool raise);
  Injection RaiseCreate(const Subject& s, Injection injection);

  FileSystem& fs_;
  const Observer observer_;
  Timeline timeline_;
  absl::flat_hash_map<FileId, uint32_t> lost_links_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_APPLIER_H_
