#include "fuse/warmer.h"

#include <fmt/format.h>

#include <vector>

namespace warmfs::fuse {
namespace {

constexpr size_t kPageEntries = 1024;

// A lookup that is given back.
class Held {
 public:
  Held(FileSystem& fs, NodeId node) : fs_(fs), node_(node) {}
  Held(Held&& other) noexcept
      : fs_(other.fs_), node_(std::exchange(other.node_, 0)) {}
  ~Held() {
    if (node_ != 0) fs_.Forget(node_, 1);
  }
  NodeId node() const { return node_; }

 private:
  FileSystem& fs_;
  NodeId node_;
};

class Walk {
 public:
  Walk(FileSystem& fs, rpc::Channel& host,
       const std::function<bool(const WarmProgress&)>& report)
      : fs_(fs), host_(host), report_(report) {}

  // False: stopped.
  bool Node(NodeId node, const Attr& attr) {
    if (attr.IsDirectory()) return Directory(node);
    absl::StatusOr<uint64_t> fetched = fs_.WarmFile(host_, node);
    ++progress_.files;
    progress_.bytes += attr.IsRegular() ? attr.size : 0;
    if (fetched.ok()) {
      progress_.bytes_fetched += *fetched;
    } else {
      ++progress_.errors;
    }
    return report_(progress_);
  }

 private:
  bool Directory(NodeId dir) {
    ++progress_.directories;
    uint64_t after = 0;
    std::vector<Held> subdirectories;
    while (true) {
      absl::StatusOr<DirPage> page =
          fs_.ReadDir(host_, dir, after, kPageEntries);
      if (!page.ok()) ++progress_.errors;
      if (!page.ok() || page->items.empty()) break;
      after = page->items.back().cookie;
      for (const DirItem& item : page->items) {
        const Entry entry = fs_.Bind(dir, item, page->fresh_at);
        if (entry.node == 0) continue;
        Held held(fs_, entry.node);
        if (entry.attr.IsDirectory()) {
          subdirectories.push_back(std::move(held));
        } else if (!Node(entry.node, entry.attr)) {
          return false;
        }
      }
    }
    if (!report_(progress_)) return false;
    for (const Held& sub : subdirectories) {
      if (!Directory(sub.node())) return false;
    }
    return true;
  }

  FileSystem& fs_;
  rpc::Channel& host_;
  const std::function<bool(const WarmProgress&)>& report_;
  WarmProgress progress_;
};

}  // namespace

absl::Status Warm(FileSystem& fs, rpc::Channel& host, std::string_view path,
                  const std::function<bool(const WarmProgress&)>& report) {
  std::vector<Held> held;
  absl::StatusOr<Entry> at = fs.GetAttr(host, kRootNode);
  std::string_view rest = path;
  while (at.ok() && !rest.empty()) {
    const size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    rest = slash == rest.npos ? "" : rest.substr(slash + 1);
    if (name.empty() || name == ".") continue;
    at = fs.Lookup(host, at->node, name);
    if (at.ok() && at->node == 0) {
      return absl::NotFoundError(
          fmt::format("'{}' is not in the export", path));
    }
    if (at.ok()) held.emplace_back(fs, at->node);
  }
  if (!at.ok()) return at.status();
  Walk(fs, host, report).Node(at->node, at->attr);
  return absl::OkStatus();
}

}  // namespace warmfs::fuse
