// warmfs-hostd on Windows.

#include <winsock2.h>
// After it.
#include <shellapi.h>
#include <spdlog/spdlog.h>
#include <windows.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "hostd/command_line.h"
#include "hostd/service.h"
#include "hostd/subtree_watcher.h"
#include "hostd/win32/bookmark_file.h"
#include "hostd/win32/directory_changes.h"
#include "hostd/win32/handle.h"
#include "hostd/win32/selftest.h"
#include "hostd/win32/server.h"
#include "hostd/win32/usn_volume.h"

namespace warmfs::hostd {
namespace {

Server* running = nullptr;

BOOL WINAPI OnConsoleEvent(DWORD) {
  if (running != nullptr) running->Stop();
  return TRUE;
}

Choices OfWindows() {
  return {.listen = "hvsock:PORT or tcp:127.0.0.1:PORT",
          .watch = {"changes", "usn", "off"},
          .watch_help =
              "changes is ReadDirectoryChangesW, usn the volume's change "
              "journal where there is one that hostd may read; neither needs "
              "rights",
          .example =
              "warmfs-hostd --export src=C:\\Users\\me\\src --listen "
              "tcp:127.0.0.1:5001 --token-file C:\\Users\\me\\token\n"
              "warmfs-hostd selftest [DIR] tries what this Windows can do."};
}

// Handles of their own, which no child and nobody's printing uses.
void ServeStreams(Server& server) {
  UniqueFd streams[2];
  const DWORD which[2] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE};
  for (int i = 0; i < 2; ++i) {
    HANDLE own = nullptr;
    const HANDLE self = GetCurrentProcess();
    if (!DuplicateHandle(self, GetStdHandle(which[i]), self, &own, 0, FALSE,
                         DUPLICATE_SAME_ACCESS)) {
      Die(kExitSystem, "--stdio: there are no standard streams");
    }
    streams[i] = FromHandle(own);
  }
  server.ServeStreams(std::move(streams[0]), std::move(streams[1]));
}

// Null, and logged: hostd may not read it, or there is none.
std::unique_ptr<Watcher> WatchJournal(const Tree& tree,
                                      const WatcherOptions& options) {
  const int root = tree.jail().root();
  auto watcher = GoOnWatching(tree, options, OpenBookmarkFile(root),
                              [root](const std::string& cursor) {
                                return OpenUsnSource(root, cursor);
                              });
  if (!watcher.ok()) {
    spdlog::warn("{}; ReadDirectoryChangesW is used instead",
                 std::string(watcher.status().message()));
    return nullptr;
  }
  spdlog::info("leases are given, by the USN journal");
  return *std::move(watcher);
}

// The journal where it was asked for and is there; what every Windows has
// otherwise. A daemon that cannot listen for changes serves all the same.
WatcherFactory ListenForChanges(bool usn, const WatcherOptions& options) {
  return [usn, options](const Tree& tree) -> std::unique_ptr<Watcher> {
    auto by_journal = usn ? WatchJournal(tree, options) : nullptr;
    if (by_journal) return by_journal;
    auto source = WatchDirectoryChanges(tree.jail().root());
    if (!source.ok()) {
      spdlog::warn("no leases: {}", std::string(source.status().message()));
      return nullptr;
    }
    spdlog::info("leases are given, by ReadDirectoryChangesW");
    return std::make_unique<SubtreeWatcher>(tree, *std::move(source), options);
  };
}

int Main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "selftest") {
    return Selftest(argc > 2 ? argv[2] : ".");
  }
  Options o;
  Parse(argc, argv, OfWindows(), o);
  StartLog(o);
  if (o.listen.empty() && !o.stdio) {
    Die(kExitUsage, "nowhere to wait for clients: give --listen ENDPOINT");
  }
  Service service;
  OpenService(
      o,
      [&o](const std::string&, const WatcherOptions& options) {
        return ListenForChanges(o.watch == "usn", options);
      },
      service);
  Server server(service);
  ListenOn(o, [&](const std::string& e) { return server.Listen(e); });
  if (o.stdio) ServeStreams(server);
  running = &server;
  SetConsoleCtrlHandler(OnConsoleEvent, TRUE);
  server.Run();
  spdlog::info("stopping");
  // As on Linux: a read of standard input may not end.
  if (o.stdio) std::_Exit(0);
  return 0;
}

// The command line in UTF-8, whatever the console's code page is.
int MainUtf8() {
  int count = 0;
  wchar_t** const wide = CommandLineToArgvW(GetCommandLineW(), &count);
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) {
    const int size = WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, nullptr, 0,
                                         nullptr, nullptr);
    std::string text(static_cast<size_t>(size), '\0');
    WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, text.data(), size, nullptr,
                        nullptr);
    text.pop_back();  // its NUL
    texts.push_back(std::move(text));
  }
  LocalFree(wide);
  std::vector<char*> argv;
  for (std::string& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  return Main(count, argv.data());
}

}  // namespace
}  // namespace warmfs::hostd

int main() { return warmfs::hostd::MainUtf8(); }
