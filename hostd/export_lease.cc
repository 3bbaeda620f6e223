// Export's leases: directories that are watched before they are looked at, and
// the journal that follows them.

#include <utility>

#include "hostd/export.h"
#include "hostd/file.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

// How often an entry may be another object at each look.
constexpr int kLookAttempts = 4;

}  // namespace

bool Export::Lease(bool wanted, const NodeRef& ref, Node* dir) const {
  if (!wanted || watcher_ == nullptr) return false;
  return watcher_->Lease(*dir, ref.path) &&
         tree_.attrs().Read(dir->fd.get(), &dir->attr) == 0;
}

int Export::FindLeasedEntry(const Node& dir, const std::string& name,
                            Node* entry, bool* leased) const {
  for (int i = 0; i < kLookAttempts; ++i) {
    const int error = tree_.FindEntry(dir.fd.get(), name, entry);
    if (error != 0) return error;
    Attr now = entry->attr;
    const auto covered =
        watcher_->Cover(dir.fd.get(), {dir.attr.id, name}, &now);
    if (covered == Covered::kGone || now.id != entry->attr.id) {
      continue;
    }
    if (covered == Covered::kRefused) *leased = false;
    entry->attr = now;
    return 0;
  }
  return kESTALE;
}

LookupReply Export::Lookup(ClientState& client,
                           const LookupRequest& request) const {
  LookupReply reply;
  Node dir, entry;
  reply.error = CheckName(request.name);
  if (reply.error == 0) {
    reply.error = tree_.FindDirectory(client, request.dir, &dir);
  }
  if (reply.error != 0) return reply;
  reply.leased = Lease(request.lease, request.dir, &dir);
  // From before the look: never newer than what it is told along with.
  reply.dir = dir.attr;
  const std::string name(request.name);
  reply.error = reply.leased ? FindLeasedEntry(dir, name, &entry, &reply.leased)
                             : tree_.FindEntry(dir.fd.get(), name, &entry);
  if (reply.error != 0) return reply;
  reply.entry = entry.attr;
  if (entry.attr.IsSymlink()) {
    reply.error = ReadTarget(entry.fd.get(), "", &reply.target);
  }
  tree_.Expect(std::move(entry));
  return reply;
}

JournalPos Export::head() const {
  return watcher_ == nullptr ? JournalPos() : watcher_->head();
}

NextReply Export::Next(const ClientState& client,
                       const NextRequest& request) const {
  if (watcher_ == nullptr) return Failed<NextReply>(kEOPNOTSUPP);
  return watcher_->Next(client.incarnation(), request);
}

Reply Export::Fence() const {
  return watcher_ == nullptr ? Failed<Reply>(kEOPNOTSUPP) : watcher_->Fence();
}

void Export::StopWaiting() const {
  if (watcher_ != nullptr) watcher_->Stop();
}

void Export::Sweep(absl::Time now) const {
  tree_.Sweep(now);
  if (watcher_ != nullptr) watcher_->Sweep(now);
}

}  // namespace warmfs::hostd
