// The way into a running mount for the command line: a Unix socket in the
// user's run-time directory, one for each mount.
//
// A connection carries one request, a JSON object on a line, and its answer,
// one JSON object on each line, of which the last has "done": true or "error".
// The socket belongs to the user alone (mode 0600 in a directory of mode 0700).
//
// ControlServer: thread-safe. Each connection is served on a thread of its own,
// at most kMaxConnections at a time. The functions are stateless.

#ifndef WARMFS_FUSE_CONTROL_H_
#define WARMFS_FUSE_CONTROL_H_

#include <atomic>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "schema/unique_fd.h"

namespace warmfs::fuse {

using Emit = std::function<void(const nlohmann::json&)>;

class ControlServer {
 public:
  static constexpr size_t kMaxConnections = 16;
  // Answers a request by calling emit for each line. May take long; when the
  // other side has left, emit throws, and the request ends.
  using Handler =
      std::function<void(const nlohmann::json& request, const Emit& emit)>;

  explicit ControlServer(Handler handler) : handler_(std::move(handler)) {}
  ~ControlServer();  // waits for requests under way

  absl::Status Listen(const std::string& path);
  // From now on every request is refused; waits for those under way. The socket
  // stays, as a sign that this process is still there.
  void Refuse();

 private:
  void AcceptLoop();
  void Serve(UniqueFd fd);
  void AwaitIdle();

  const Handler handler_;
  std::string path_;
  UniqueFd listener_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> refuse_{false};
  std::thread acceptor_;
  absl::Mutex mu_;
  size_t connections_ ABSL_GUARDED_BY(mu_) = 0;
};

// $XDG_RUNTIME_DIR/warmfs, or what stands for it; made if missing.
absl::StatusOr<std::string> RuntimeDirectory();
// The control socket of the mount at this mountpoint (an absolute path).
absl::StatusOr<std::string> ControlPath(const std::string& mountpoint);
// All control sockets of this user's mounts; those of dead mounts are removed.
std::vector<std::string> ControlPaths();

// Sends a request and gives each line of the answer to `emit`, but the last.
// Unavailable if nobody listens; Internal with the text of an "error" line.
absl::Status Ask(const std::string& control_path, const nlohmann::json& request,
                 const Emit& emit);

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_CONTROL_H_
