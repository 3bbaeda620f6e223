// The claim on what one change of a client makes the host tell (claims.h), for
// the length of a scope.
//
// It ends after the descriptors of the operation are closed, which is an event
// as well, and before the reply's attributes and names are looked at. So what
// somebody else does meanwhile is in the reply if it is taken for the client's,
// and otherwise has an event that is not. An operation that fails leaves the
// end to the destructor: declared before the descriptors, it comes after them.
//
// Thread-compatible; the watcher outlives it.

#ifndef WARMFS_HOSTD_OWN_WORK_H_
#define WARMFS_HOSTD_OWN_WORK_H_

#include <optional>
#include <string_view>
#include <utility>

#include "hostd/client_state.h"
#include "hostd/watcher.h"

namespace warmfs::hostd {

class OwnWork {
 public:
  // `watcher`: null if nothing is ever watched.
  OwnWork(Watcher* watcher, const ClientState& client)
      : watcher_(watcher), client_(client) {}
  OwnWork(const OwnWork&) = delete;
  ~OwnWork() { End(); }

  // Once, before the first system call that changes something.
  void Begin(Claim claim) {
    if (watcher_ == nullptr || watcher_->idle()) return;
    claim.client = client_.incarnation();
    ticket_ = watcher_->claims().Begin(std::move(claim));
  }
  // Of changes of an object, by whatever name; `path`: as it was opened.
  void BeginOn(const FileId& object, std::string_view path = "",
               uint32_t kinds = kContentKinds) {
    Claim claim;
    claim.object_kinds = kinds;
    claim.objects = {object};
    claim.opened_as = path.substr(path.rfind('/') + 1);
    Begin(std::move(claim));
  }
  void End() {
    if (ticket_) watcher_->claims().End(*ticket_);
    ticket_.reset();
  }

 private:
  Watcher* const watcher_;
  const ClientState& client_;
  std::optional<Claims::Ticket> ticket_;
};

// Closes a writer under a claim of its own.
inline void CloseWriter(Watcher* watcher, const ClientState& client,
                        FdShelf::Gone writer, std::string_view path = "") {
  if (!writer.fd) return;
  OwnWork own(watcher, client);
  own.BeginOn(writer.id, path, KindBit(EventKind::kClosedWrite));
  writer.fd.Reset();
}

// Keeps a writer for the client, and closes the one that goes for it.
inline void KeepWriter(Watcher* watcher, ClientState& client, const FileId& id,
                       UniqueFd fd) {
  CloseWriter(watcher, client, client.KeepWriter(id, std::move(fd)));
}

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_OWN_WORK_H_
