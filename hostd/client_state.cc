#include "hostd/client_state.h"

#include <utility>

namespace warmfs::hostd {

void ClientState::KeepOrphan(const FileId& id, UniqueFd fd) {
  absl::MutexLock lock(&mu_);
  orphans_.Keep(id, std::move(fd));
}

UniqueFd ClientState::Orphan(const FileId& id) const {
  absl::MutexLock lock(&mu_);
  return orphans_.Duplicate(id);
}

FdShelf::Gone ClientState::KeepWriter(const FileId& id, UniqueFd fd) {
  absl::MutexLock lock(&mu_);
  return writers_.Keep(id, std::move(fd));
}

UniqueFd ClientState::Writer(const FileId& id) const {
  absl::MutexLock lock(&mu_);
  return writers_.Duplicate(id);
}

std::vector<FileId> ClientState::WritersAmong(
    const std::vector<FileId>& ids) const {
  std::vector<FileId> found;
  absl::MutexLock lock(&mu_);
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(found),
               [&](const FileId& id) ABSL_SHARED_LOCKS_REQUIRED(mu_) {
                 return writers_.Has(id);
               });
  return found;
}

void ClientState::Release(const std::vector<FileId>& ids) {
  absl::MutexLock lock(&mu_);
  for (const FileId& id : ids) {
    orphans_.Drop(id);
    writers_.Drop(id);
  }
}

}  // namespace warmfs::hostd
