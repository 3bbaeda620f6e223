// The host as a client sees it: where it is, how to log in, how long to wait
// for it, and what has been asked of it. Shared by all channels of a client.
//
// Thread-safe. Outlives its channels.

#ifndef WARMFS_RPC_REMOTE_H_
#define WARMFS_RPC_REMOTE_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rpc/connector.h"
#include "rpc/stats.h"
#include "schema/ops.h"

namespace warmfs::rpc {

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
  mutable absl::Mutex mu_;
  std::optional<ExportInfo> info_ ABSL_GUARDED_BY(mu_);
  std::string trouble_ ABSL_GUARDED_BY(mu_);
};

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_REMOTE_H_
