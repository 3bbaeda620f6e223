// What makes leases possible: hears of changes beneath an export, and keeps the
// journal of them. One for each export. Two kinds: posix/object_watcher.h
// watches each object that clients use, subtree_watcher.h the whole tree.
//
// A lease. The caller takes the journal's head, has the directory watched
// (Lease), and then looks at it; each entry that can change by another way is
// covered as well (Cover) and looked at again. Whatever happens after the look
// is in the journal behind that head.
//
// A fence. Fence returns when everything that was done to the tree before the
// call is in the journal.
//
// Thread-safe. Destroying it ends its threads.

#ifndef WARMFS_HOSTD_WATCHER_H_
#define WARMFS_HOSTD_WATCHER_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "hostd/claims.h"
#include "hostd/journal.h"
#include "hostd/tree.h"

namespace warmfs::hostd {

// An entry's place: its directory, and its name there.
using Place = std::pair<FileId, std::string>;
// kYes also for what needs no watch; kGone: it is not there any more.
enum class Covered { kYes, kRefused, kGone };

struct WatcherOptions {
  uint32_t max_watches = UINT32_MAX;  // and half of the descriptors to be held
  Journal::Limits journal;
  // Where an earlier hostd's journal was, to go on from; its leases count.
  std::optional<JournalPos> earlier;
  // After so long without a client that asks for events all watches end.
  absl::Duration lease_grace = absl::Minutes(10);
  absl::Duration own_pause = absl::Milliseconds(2);
  // Where the system does not tell of closes: a file that was written to counts
  // as closed when nothing has been told of it for so long.
  absl::Duration close_after = absl::Milliseconds(50);
  // Of a journal that outlives hostd: how often the cursor is kept if nothing
  // is told. The journal may be a whole volume's, and forget what is behind it.
  absl::Duration keep_anew = absl::Minutes(10);
};

class Watcher {
 public:
  virtual ~Watcher() = default;

  // Watches a directory, whose path beneath the export is `path`. False: it
  // cannot be watched.
  virtual bool Lease(const Node& dir, const std::string& path) = 0;
  // Of an entry of a leased directory that has just been looked at; looks again
  // if it had to be watched, so that `attr` is no older than the watch.
  virtual Covered Cover(int dir_fd, const Place& place, Attr* attr) = 0;

  virtual JournalPos head() const = 0;
  virtual NextReply Next(uint64_t client, const NextRequest& request) = 0;
  // error: ESHUTDOWN, or ETIMEDOUT if the file system does not answer.
  virtual Reply Fence() = 0;
  // Whoever waits here is answered, and nobody waits any more.
  virtual void Stop() = 0;
  // Called now and then: when the time of grace is over, all watches end and a
  // new epoch begins.
  virtual void Sweep(absl::Time now) = 0;

  // Nothing is watched: no change needs a claim.
  virtual bool idle() const = 0;
  virtual Claims& claims() = 0;
};

// Makes the watcher of a tree, which outlives it.
using WatcherFactory =
    absl::AnyInvocable<std::unique_ptr<Watcher>(const Tree&) &&>;

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WATCHER_H_
