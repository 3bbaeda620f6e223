// An export with a journal, and a client that follows it.

#ifndef WARMFS_TESTS_HOSTD_WATCH_FIXTURE_H_
#define WARMFS_TESTS_HOSTD_WATCH_FIXTURE_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hostd/posix/object_watcher.h"
#include "tests/hostd/export_fixture.h"
#include "tests/hostd/sources.h"

namespace warmfs::hostd {

class WatchTest : public ExportTest {
 protected:
  explicit WatchTest(SourceKind kind = SourceKind::kInotify) : kind_(kind) {}
  // Skips by name where the source cannot be had.
  void SetUp() override;

  // Without the journal and the leases from before.
  void Reopen(const WatcherOptions& options);
  std::unique_ptr<Export> OpenWatched(std::unique_ptr<WatchSource> source,
                                      const WatcherOptions& options) const;

  ListReply List(std::string_view path, bool lease = true);
  // Expects that the lease is given, and goes on from where the journal is.
  void Lease(std::string_view path);

  // All events up to a fence, from the last that was seen on.
  std::vector<Event> Events() { return EventsOf(client_); }
  std::vector<Event> EventsOf(const ClientState& client);
  // One line for each event: the kind, the directory and the name, "!" before
  // the client's own, "/" behind directories, "#" behind halves of a pair. A
  // directory goes by the path that it was leased under; "?": by none.
  std::vector<std::string> Lines();
  std::string Describe(const Event& event) const;

  NextReply Next(const JournalPos& after, uint32_t wait_ms = 0,
                 uint32_t most = 4096) const;

  const SourceKind kind_;
  JournalPos seen_;
  std::map<FileId, std::string> paths_;
};

// What is to hold with each of the host's own sources.
class EachSourceTest : public WatchTest,
                       public testing::WithParamInterface<SourceKind> {
 protected:
  EachSourceTest() : WatchTest(GetParam()) {}
};

}  // namespace warmfs::hostd

#endif  // WARMFS_TESTS_HOSTD_WATCH_FIXTURE_H_
