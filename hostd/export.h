// One exported directory: every operation of schema/ops.h against the host's
// file system, beneath that directory and nowhere else (docs/security.md).
//
// Requests come from a client that may be hostile, and the host's own programs
// change the same files at any time. So every operation pins the objects that
// it works on by descriptors first, checks that they are the ones expected, and
// then acts on the descriptors; a name is used only as one component beneath a
// pinned directory. Errors are an errno in the reply. Nothing here throws.
//
// Thread-safe, immutable after Open; what belongs to a client is in its
// ClientState, what belongs to a connection in its Cursors. Outlives both. What
// it watches for leases is the watcher's, a thread-safe part.
//
// The journal position of replies is left to the caller: head(), taken before
// the operation. Then leases have no gap (watcher.h).

#ifndef WARMFS_HOSTD_EXPORT_H_
#define WARMFS_HOSTD_EXPORT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "hostd/client_state.h"
#include "hostd/cursors.h"
#include "hostd/tree.h"
#include "hostd/watcher.h"
#include "schema/ops.h"

namespace warmfs::hostd {

struct ExportOptions {
  std::string name;
  std::string directory;
  bool read_only = false;
  // Makes what watches the tree; none: there are no leases and no journal.
  WatcherFactory watch;
};

class Export {
 public:
  // A Copy moves at most this much and says how much it was.
  static constexpr uint64_t kMaxCopyBytes = 64 * 1024 * 1024;

  // NotFound, PermissionDenied, or FailedPrecondition if the kernel or /proc
  // lacks what the jail is made of.
  static absl::StatusOr<std::unique_ptr<Export>> Open(ExportOptions options);

  const ExportInfo& info() const { return info_; }

  // --- looking ---
  AttrReply GetAttr(ClientState& client, const NodeRef& node) const;
  LookupReply Lookup(ClientState& client, const LookupRequest& request) const;
  ListReply List(ClientState& client, Cursors& cursors,
                 const ListRequest& request) const;
  ListManyReply ListMany(ClientState& client, Cursors& cursors,
                         const ListManyRequest& request) const;
  ListReply ListMore(Cursors& cursors, uint64_t cursor) const;
  ReadLinkReply ReadLink(ClientState& client, const NodeRef& node) const;
  ReadReply Read(ClientState& client, const ReadRequest& request) const;
  SeekReply Seek(ClientState& client, const SeekRequest& request) const;
  StatFsReply StatFs(ClientState& client, const NodeRef& node) const;
  GetXattrReply GetXattr(ClientState& client,
                         const GetXattrRequest& request) const;

  // --- changing: EROFS if the export is read-only ---
  ChangeReply SetAttr(ClientState& client, const SetAttrRequest& request) const;
  CreateReply Create(ClientState& client, const CreateRequest& request) const;
  LinkReply Link(ClientState& client, const LinkRequest& request) const;
  RemoveReply Remove(ClientState& client, const RemoveRequest& request) const;
  RenameReply Rename(ClientState& client, const RenameRequest& request) const;
  WriteReply Write(ClientState& client, const WriteRequest& request) const;
  ChangeReply Allocate(ClientState& client,
                       const AllocateRequest& request) const;
  CopyReply Copy(ClientState& client, const CopyRequest& request) const;
  ChangeReply SetXattr(ClientState& client,
                       const SetXattrRequest& request) const;

  // --- neither ---
  Reply Sync(ClientState& client, const SyncRequest& request) const;
  LockReply Lock(ClientState& client, const LockRequest& request) const;
  void Release(ClientState& client, const ReleaseRequest& request) const;

  // --- the journal: EOPNOTSUPP without one ---
  JournalPos head() const;
  NextReply Next(const ClientState& client, const NextRequest& request) const;
  Reply Fence() const;
  // Whoever waits in one of these two is answered, and nobody waits any more.
  void StopWaiting() const;
  // Called now and then: leases that no client follows end.
  void Sweep(absl::Time now) const;

 private:
  Export(ExportOptions options, UniqueFd root, const Privileges& privileges);

  // Watches the directory if that is asked for and can be done, and then looks
  // at it again.
  bool Lease(bool wanted, const NodeRef& ref, Node* dir) const;
  int FindLeasedEntry(const Node& dir, const std::string& name, Node* entry,
                      bool* leased) const;
  // The attributes from when a node was found, and now.
  Change ChangeOf(const Node& node) const;

  Tree tree_;
  ExportInfo info_;
  const std::unique_ptr<Watcher> watcher_;  // may be null
};

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_EXPORT_H_
