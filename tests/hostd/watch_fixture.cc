#include "tests/hostd/watch_fixture.h"

#include <cstdlib>
#include <iterator>
#include <utility>

namespace warmfs::hostd {
namespace {

constexpr std::string_view kKinds[] = {"created",  "deleted",  "moved_from",
                                       "moved_to", "modified", "attributes",
                                       "closed",   "revoked"};

}  // namespace

std::unique_ptr<Export> WatchTest::OpenWatched(
    std::unique_ptr<WatchSource> source, const WatcherOptions& options) const {
  ExportOptions exported{.name = "test", .directory = root_};
  exported.watch = WatchObjects(std::move(source), options);
  auto opened = Export::Open(std::move(exported));
  if (!opened.ok()) {
    ADD_FAILURE() << opened.status();
    std::abort();
  }
  return *std::move(opened);
}

void WatchTest::SetUp() {
  if (const std::string why = WhyNot(kind_); !why.empty()) GTEST_SKIP() << why;
  Reopen({});
}

void WatchTest::Reopen(const WatcherOptions& options) {
  auto source = MakeSource(kind_, root_);
  ASSERT_TRUE(source.ok()) << source.status();
  export_ = OpenWatched(*std::move(source), options);
  seen_ = export_->head();
  paths_.clear();
}

ListReply WatchTest::List(std::string_view path, bool lease) {
  ListRequest request;
  request.dir = Ref(path);
  request.lease = lease;
  return export_->List(client_, cursors_, request);
}

void WatchTest::Lease(std::string_view path) {
  const ListReply reply = List(path);
  ASSERT_EQ(reply.error, 0) << path;
  ASSERT_TRUE(reply.leased) << path;
  paths_[reply.dir.id] = path.empty() ? "" : std::string(path) + '/';
}

NextReply WatchTest::Next(const JournalPos& after, uint32_t wait_ms,
                          uint32_t most) const {
  return export_->Next(
      client_, {.after = after, .max_events = most, .wait_ms = wait_ms});
}

std::vector<Event> WatchTest::EventsOf(const ClientState& client) {
  const Reply fence = export_->Fence();
  EXPECT_EQ(fence.error, 0);
  std::vector<Event> events;
  while (seen_ < fence.pos) {
    NextReply reply = export_->Next(client, {.after = seen_});
    EXPECT_FALSE(reply.new_epoch);
    if (reply.new_epoch || reply.events.empty()) break;
    seen_ = reply.pos;
    std::move(reply.events.begin(), reply.events.end(),
              std::back_inserter(events));
  }
  return events;
}

std::string WatchTest::Describe(const Event& event) const {
  std::string line = event.own ? "!" : "";
  line += kKinds[static_cast<size_t>(event.kind)];
  const auto path = paths_.find(event.dir);
  line += ' ';
  if (!event.dir.IsNull()) line += path == paths_.end() ? "?" : path->second;
  line += event.name;
  if (event.directory && !event.name.empty()) line += '/';
  return event.cookie != 0 ? line + '#' : line;
}

std::vector<std::string> WatchTest::Lines() {
  std::vector<std::string> lines;
  for (const Event& event : Events()) lines.push_back(Describe(event));
  return lines;
}

}  // namespace warmfs::hostd
