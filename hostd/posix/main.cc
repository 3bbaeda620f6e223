// warmfs-hostd: serves directories of this host to warmfs clients.

#include <fcntl.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "hostd/command_line.h"
#include "hostd/limits.h"
#include "hostd/posix/fanotify_source.h"
#include "hostd/posix/inotify_source.h"
#include "hostd/posix/object_watcher.h"
#include "hostd/posix/server.h"
#include "hostd/service.h"
#include "rpc/process.h"

namespace warmfs::hostd {
namespace {

UniqueFd BlockSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return UniqueFd(signalfd(-1, &set, SFD_CLOEXEC));
}

// A daemon that cannot watch serves all the same, unless it was told how to.
std::unique_ptr<WatchSource> MakeSource(const Options& o,
                                        const std::string& directory) {
  if (o.watch == "fanotify") {
    auto source = FanotifySource::Create(directory);
    if (!source.ok()) Die(source.status());
    return *std::move(source);
  }
  auto source = InotifySource::Create();
  if (source.ok()) return *std::move(source);
  spdlog::warn("no leases: {}", std::string(source.status().message()));
  return nullptr;
}

void Listen(const Options& o, Server& server) {
  ListenOn(o, [&](const std::string& e) { return server.Listen(e); });
  if (o.control_fd >= 0) server.ListenOnControl(UniqueFd(o.control_fd));
  if (o.stdio) {
    server.ListenOnStreams(UniqueFd(fcntl(0, F_DUPFD_CLOEXEC, 3)),
                           UniqueFd(fcntl(1, F_DUPFD_CLOEXEC, 3)));
  }
}

Choices OfLinux() {
  return {.listen =
              "unix:PATH, vsock:CID:PORT (CID 4294967295 for any) or "
              "tcp:127.0.0.1:PORT",
          .watch = {"inotify", "fanotify", "off"},
          .watch_help =
              "inotify needs no rights; fanotify needs CAP_SYS_ADMIN and "
              "has no limit of watches",
          .example =
              "warmfs-hostd --export src=$HOME/src --listen "
              "unix:$XDG_RUNTIME_DIR/warmfs.sock"};
}

int Main(int argc, char** argv) {
  Options o;
  Parse(argc, argv, OfLinux(), o);
  StartLog(o);
  if (o.listen.empty() && !o.stdio && o.control_fd < 0) {
    Die(kExitUsage, "nowhere to wait for clients: give --listen ENDPOINT");
  }
  UniqueFd stop = BlockSignals();
  PrepareProcess();
  rpc::TuneProcess();
  Service service;
  OpenService(
      o,
      [&o](const std::string& directory, const WatcherOptions& options) {
        return WatchObjects(MakeSource(o, directory), options);
      },
      service);
  {
    Server server(service, std::move(stop));
    Listen(o, server);
    server.Run();
    spdlog::info("stopping");
    // A read of standard input cannot be called off: leave without it.
    if (o.stdio) std::_Exit(0);
  }
  return 0;
}

}  // namespace
}  // namespace warmfs::hostd

int main(int argc, char** argv) { return warmfs::hostd::Main(argc, argv); }
