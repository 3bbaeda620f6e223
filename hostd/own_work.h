// The claim on what one change of a client makes the host tell (claims.h), for
// the length of a scope.
//
// Declared before the descriptors of the operation: so it ends after they were
// closed, which is an event as well. Thread-compatible; the watcher outlives
// it.

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
  ~OwnWork() {
    if (ticket_) watcher_->claims().End(*ticket_);
  }

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

 private:
  Watcher* const watcher_;
  const ClientState& client_;
  std::optional<Claims::Ticket> ticket_;
};

// Keeps a writer for the client. The one that goes for it is closed under a
// claim of its own.
inline void KeepWriter(Watcher* watcher, ClientState& client, const FileId& id,
                       UniqueFd fd) {
  OwnWork own(watcher, client);
  const FdShelf::Gone gone = client.KeepWriter(id, std::move(fd));
  if (gone.fd) own.BeginOn(gone.id, "", KindBit(EventKind::kClosedWrite));
}

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_OWN_WORK_H_
