#include "rpc/remote.h"

#include <fmt/format.h>
#include <sys/random.h>

namespace warmfs::rpc {
namespace {

std::string RandomId() {
  std::string id(16, '\0');
  // Never short for 16 bytes, and never fails once the system has booted.
  if (getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    std::abort();
  }
  return id;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Remote>> Remote::Create(RemoteOptions options) {
  absl::StatusOr<Endpoint> endpoint = Endpoint::Parse(options.endpoint);
  if (!endpoint.ok()) return endpoint.status();
  auto connector = MakeConnector(*endpoint);
  return std::unique_ptr<Remote>(
      new Remote(std::move(options), std::move(connector)));
}

Remote::Remote(RemoteOptions options, std::unique_ptr<Connector> connector)
    : options_(std::move(options)),
      connector_(std::move(connector)),
      client_id_(RandomId()) {}

absl::Status Remote::Attached(const ExportInfo& info) {
  absl::MutexLock lock(&mu_);
  if (info_ && (info_->identity != info.identity || info_->root != info.root)) {
    return absl::FailedPreconditionError(fmt::format(
        "export '{}' is another directory than before; mount it anew",
        info.name));
  }
  info_ = info;
  return absl::OkStatus();
}

std::optional<ExportInfo> Remote::info() const {
  absl::MutexLock lock(&mu_);
  return info_;
}

void Remote::SetRestore(Restore restore) {
  absl::MutexLock lock(&mu_);
  restore_ = std::move(restore);
}

Remote::Restore Remote::restore() const {
  absl::MutexLock lock(&mu_);
  return restore_;
}

absl::StatusOr<bool> Remote::MustRestore(uint64_t incarnation,
                                         absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  const auto settled = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return !restoring_;
  };
  if (!mu_.AwaitWithDeadline(absl::Condition(&settled), deadline)) {
    return absl::UnavailableError(
        "the host has forgotten this client, and is still being given back "
        "what it held");
  }
  if (incarnation_ == 0) incarnation_ = incarnation;
  if (incarnation == incarnation_) return false;
  if (followed_.contains(incarnation)) {
    return absl::UnavailableError(
        "another host answers there than the one that came after it");
  }
  restoring_ = true;
  return true;
}

void Remote::Restored(uint64_t incarnation, bool done) {
  absl::MutexLock lock(&mu_);
  restoring_ = false;
  if (!done) return;
  followed_.insert(incarnation_);
  incarnation_ = incarnation;
}

void Remote::SetTrouble(std::string text) {
  absl::MutexLock lock(&mu_);
  trouble_ = std::move(text);
}

std::string Remote::trouble() const {
  absl::MutexLock lock(&mu_);
  return trouble_;
}

}  // namespace warmfs::rpc
