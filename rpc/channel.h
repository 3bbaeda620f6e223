// One worker's own connection to the host: a call is send and wait, with no
// queue and no hop between threads.
//
// A channel connects when it is first used and again whenever the connection
// broke, with back-off. A call that finds no host waits for one up to
// RemoteOptions::host_wait and then answers EIO. A call whose connection breaks
// before the reply is sent again on the next one, with `retry` set if its
// request has that field: the host may have carried it out already. A host that
// is connected but does not answer in time is treated as gone.
//
// Every method answers its reply; `error` in it is the host's errno, or EIO
// when the host could not be asked.
//
// Belongs to the thread that first calls it (KJ's event loop is the thread's)
// and is destroyed there. One channel per thread at a time.

#ifndef WARMFS_RPC_CHANNEL_H_
#define WARMFS_RPC_CHANNEL_H_

#include <memory>

#include "absl/status/status.h"
#include "rpc/interruption.h"
#include "rpc/remote.h"
#include "schema/ops.h"

namespace warmfs::rpc {

class Channel {
 public:
  explicit Channel(Remote& remote);
  ~Channel();

  // Connects and attaches once, without waiting for a host that is away: the
  // way to learn why it does not work. Unavailable: nobody answers there.
  // PermissionDenied: wrong token. NotFound: no such export. Unimplemented: the
  // peer is no warmfs host, or of another protocol.
  absl::Status Open();

  // Notices that the connection has ended, as the next call would, and connects
  // again if the host is there. Sends nothing as long as it has not ended.
  void Check();

  // Of what the host holds for this client (remote.h); 0 while there is no
  // connection.
  uint64_t incarnation() const;

  AttrReply GetAttr(const NodeRef& node);
  LookupReply Lookup(const LookupRequest& request);
  ListReply List(const ListRequest& request);
  // Only of a host that says it can (ExportInfo).
  ListManyReply ListMany(const ListManyRequest& request);
  ListReply ListMore(const uint64_t& cursor);
  ReadLinkReply ReadLink(const NodeRef& node);
  ReadReply Read(const ReadRequest& request);
  SeekReply Seek(const SeekRequest& request);
  StatFsReply StatFs(const NodeRef& node);
  GetXattrReply GetXattr(const GetXattrRequest& request);
  ChangeReply SetAttr(const SetAttrRequest& request);
  CreateReply Create(const CreateRequest& request);
  LinkReply Link(const LinkRequest& request);
  RemoveReply Remove(const RemoveRequest& request);
  RenameReply Rename(const RenameRequest& request);
  WriteReply Write(const WriteRequest& request);
  ChangeReply Allocate(const AllocateRequest& request);
  CopyReply Copy(const CopyRequest& request);
  Reply Sync(const SyncRequest& request);
  ChangeReply SetXattr(const SetXattrRequest& request);
  LockReply Lock(const LockRequest& request);
  Reply Release(const ReleaseRequest& request);
  // Waits for events, as long as the request says and host_wait beyond that.
  NextReply Next(const NextRequest& request);
  Reply Fence(const FenceRequest& request);

  // The one thing that another thread may call while this object lives: a call
  // that waits answers EIO soon (after the attempt to connect that is under
  // way, at most), and so do all later ones.
  void Interrupt() { interruption_.Interrupt(); }

 private:
  class Impl;
  Impl& impl();

  Remote& remote_;
  Interruption interruption_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_CHANNEL_H_
