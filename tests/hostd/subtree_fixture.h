// An export whose changes are told by a script, and a client that follows it.

#ifndef WARMFS_TESTS_HOSTD_SUBTREE_FIXTURE_H_
#define WARMFS_TESTS_HOSTD_SUBTREE_FIXTURE_H_

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hostd/subtree_watcher.h"
#include "tests/fakes/scripted_subtree_source.h"
#include "tests/hostd/watch_fixture.h"

namespace warmfs::hostd {

class SubtreeTest : public WatchTest {
 protected:
  void SetUp() override { Restart({}); }

  // `close_after`: closes are made up at fences only, if nothing else is said.
  void Restart(WatcherOptions options,
               absl::Duration close_after = absl::Hours(1),
               bool tells_closes = false) {
    options.close_after = close_after;
    auto source = std::make_unique<ScriptedSubtreeSource>();
    source_ = source.get();
    if (tells_closes) source->TellCloses();
    ExportOptions exported{.name = "test", .directory = root_};
    exported.watch = [&, source = std::move(source)](const Tree& tree) mutable {
      auto made =
          std::make_unique<SubtreeWatcher>(tree, std::move(source), options);
      watcher_ = made.get();
      tree_ = &tree;
      return made;
    };
    export_ = *Export::Open(std::move(exported));
    seen_ = export_->head();
    paths_.clear();
  }

  // Without what is made up of closes.
  std::vector<std::string> Told() {
    std::vector<std::string> lines;
    for (std::string& line : Lines()) {
      if (!line.starts_with("closed")) lines.push_back(std::move(line));
    }
    return lines;
  }
  void Rename(std::string_view from, std::string_view to) {
    std::filesystem::rename(Host(from), Host(to));
    source_->QueueMove(std::string(from), std::string(to));
  }
  void MakeTold(std::string_view path) {
    MakeDir(path);
    source_->Queue(ChangeKind::kCreated, std::string(path));
  }

  ScriptedSubtreeSource* source_ = nullptr;
  SubtreeWatcher* watcher_ = nullptr;
  const Tree* tree_ = nullptr;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_TESTS_HOSTD_SUBTREE_FIXTURE_H_
