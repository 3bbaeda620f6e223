// The host as a client sees it: where it is, how to log in, how long to wait
// for it, and what has been asked of it. Shared by all channels of a client.
//
// What the host holds for this client (locks, orphans) belongs to an
// incarnation of its memory of the client. When the host was restarted, or had
// no connection of the client for so long that it forgot it, a channel that
// connects finds another incarnation, and what was held is gone. That channel
// gives back what can be given back (`SetRestore`) before any other call of any
// channel is sent to the new incarnation.
//
// Thread-safe. Outlives its channels.

#ifndef WARMFS_RPC_REMOTE_H_
#define WARMFS_RPC_REMOTE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rpc/connector.h"
#include "rpc/stats.h"
#include "schema/ops.h"

namespace warmfs::rpc {

class Channel;

struct RemoteOptions {
  std::string endpoint;  // as Endpoint::Parse takes it
  std::string export_name = "default";
  std::string token;
  // How long a call waits for a host that is away or does not answer.
  absl::Duration host_wait = absl::Seconds(30);
};

class Remote {
 public:
  // InvalidArgument for a malformed endpoint. Does not connect.
  static absl::StatusOr<std::unique_ptr<Remote>> Create(RemoteOptions options);

  const RemoteOptions& options() const { return options_; }
  Connector& connector() { return *connector_; }
  const std::string& client_id() const { return client_id_; }
  RpcStats& stats() { return stats_; }

  // What the export said of itself when it was first attached. A reconnect must
  // find the same export there: FailedPrecondition otherwise.
  absl::Status Attached(const ExportInfo& info);
  std::optional<ExportInfo> info() const;

  // `restore` is called with a channel that is connected to another incarnation
  // than the last. Its calls on the channel fail (EIO) once that connection
  // breaks; then another one will be given to it.
  using Restore = std::function<void(Channel&)>;
  void SetRestore(Restore restore);
  // For channels. One that is attached asks first whether it must call
  // `restore`, and then tells how that went. Waits while another one is at it.
  // Unavailable: too long, or this incarnation has been followed by another
  // already.
  absl::StatusOr<bool> MustRestore(uint64_t incarnation, absl::Time deadline);
  Restore restore() const;
  void Restored(uint64_t incarnation, bool done);
  // The last one; a channel that is connected to another leaves it.
  uint64_t incarnation() const { return incarnation_; }

  // Channels that are connected now, for the status command.
  void CountConnected(int delta) { connected_ += delta; }
  int connected() const { return connected_; }
  // The last failure to connect; empty while all is well.
  void SetTrouble(std::string text);
  std::string trouble() const;

 private:
  Remote(RemoteOptions options, std::unique_ptr<Connector> connector);

  const RemoteOptions options_;
  const std::unique_ptr<Connector> connector_;
  const std::string client_id_;
  RpcStats stats_;
  std::atomic<int> connected_{0};
  std::atomic<uint64_t> incarnation_{0};  // changed under mu_; 0: none yet
  mutable absl::Mutex mu_;
  std::optional<ExportInfo> info_ ABSL_GUARDED_BY(mu_);
  std::string trouble_ ABSL_GUARDED_BY(mu_);
  Restore restore_ ABSL_GUARDED_BY(mu_) = [](Channel&) {};
  // Some restarts' worth of numbers.
  absl::flat_hash_set<uint64_t> followed_ ABSL_GUARDED_BY(mu_);
  bool restoring_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_REMOTE_H_
