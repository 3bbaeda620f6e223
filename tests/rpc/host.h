// A real host daemon within the test's process, on a Unix socket, over a
// directory that goes away with it. It can be stopped and started again, as a
// daemon is restarted: with a new instance and no memory of its clients.
//
// Belongs to the test's thread.

#ifndef WARMFS_TESTS_RPC_HOST_H_
#define WARMFS_TESTS_RPC_HOST_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "hostd/posix/server.h"
#include "hostd/service.h"
#include "rpc/remote.h"
#include "schema/types.h"
#include "tests/support/temp_dir.h"

namespace warmfs::rpc {

class Host {
 public:
  struct Options {
    std::string token;
    std::string listen;  // also, beside the Unix socket
    bool watch = true;   // grant leases, keep a journal
    hostd::WatcherOptions watcher;
    // Instead of inotify, anew at each start.
    std::function<hostd::WatcherFactory()> watch_with;
  };
  explicit Host(Options options);
  Host() : Host(Options()) {}
  ~Host();

  void Start();
  void Stop();
  // As after a long time without a connection. The client's channels are
  // closed.
  void Forget(const std::string& client_id);

  std::string endpoint() const { return "unix:" + base_ / "host.sock"; }
  const std::string& root() const { return root_; }
  RemoteOptions RemoteOptionsFor(const std::string& endpoint) const;

  // --- what happens on the host, behind everybody's back ---
  std::string operator/(std::string_view path) const;
  void Write(std::string_view path, std::string_view bytes) const;
  std::string Read(std::string_view path) const;
  bool Has(std::string_view path) const;
  void MakeDir(std::string_view path) const;
  void Rename(std::string_view from, std::string_view to) const;
  void Remove(std::string_view path) const;
  // Waits, by looking, until a change of `path` could not go unnoticed.
  void Settle(std::string_view path) const;

 private:
  const Options options_;
  TempDir base_;
  const std::string root_;
  uint64_t instance_ = 0;
  std::unique_ptr<hostd::Service> service_;
  std::unique_ptr<hostd::Server> server_;
  int stop_ = -1;  // owned by server_
  std::thread thread_;
};

}  // namespace warmfs::rpc

#endif  // WARMFS_TESTS_RPC_HOST_H_
