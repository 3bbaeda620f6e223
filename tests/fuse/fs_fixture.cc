#include "tests/fuse/fs_fixture.h"

#include <unistd.h>

namespace warmfs::fuse {

FileSystemTest::FileSystemTest(rpc::Host::Options host)
    : host_(std::move(host)) {
  Connect(host_.endpoint());
  Mount(dir_ / "cache", Options());
}

FileSystemOptions FileSystemTest::Options() const {
  FileSystemOptions options{.ttl = kTtl};
  options.host_uid = options.vm_uid = geteuid();
  options.host_gid = options.vm_gid = getegid();
  return options;
}

void FileSystemTest::Connect(const std::string& endpoint,
                             absl::Duration host_wait) {
  channel_.reset();
  rpc::RemoteOptions options = host_.RemoteOptionsFor(endpoint);
  options.host_wait = host_wait;
  auto remote = rpc::Remote::Create(options);
  ASSERT_TRUE(remote.ok()) << remote.status();
  remote_ = *std::move(remote);
  channel_ = std::make_unique<rpc::Channel>(*remote_);
  const absl::Status opened = channel_->Open();
  ASSERT_TRUE(opened.ok()) << opened;
}

void FileSystemTest::CarryDrop(NodeId node) {
  fs_->drops().Carry(node, UINT64_MAX, [](uint64_t, uint64_t) {});
}

// READs would wait for a drop that nobody carries out.
void FileSystemTest::TearDown() {
  if (fs_ == nullptr || hold_drops_) return;
  fs_->tree().ForEach([this](const NodeView& file) {
    EXPECT_FALSE(fs_->drops().Pending(file.node)) << file.ref.path;
  });
}

Invalidations FileSystemTest::Recorder() {
  return {.pages =
              [this](NodeId node) {
                absl::MutexLock lock(&mu_);
                pages_.push_back(node);
                if (!hold_drops_) CarryDrop(node);
              },
          .attr =
              [this](NodeId node) {
                absl::MutexLock lock(&mu_);
                attrs_.push_back(node);
              },
          .entry =
              [this](NodeId dir, std::string_view name) {
                absl::MutexLock lock(&mu_);
                entries_.emplace_back(dir, name);
              },
          .unsure =
              [this](NodeId dir, std::string_view name) {
                return unsure_.contains({dir, std::string(name)});
              },
          .raise =
              [this](std::vector<Injection> injections) {
                absl::MutexLock lock(&mu_);
                for (Injection& in : injections) {
                  injections_.push_back(std::move(in));
                }
              },
          .list_ahead = [this] { must_list_ = true; }};
}

void FileSystemTest::Mount(const std::string& cache_directory,
                           FileSystemOptions options) {
  fs_.reset();
  cache_.reset();
  const ExportInfo info = *remote_->info();
  auto cache = cache::Cache::Open({.directory = cache_directory,
                                   .identity = info.identity,
                                   .root = info.root,
                                   .source = "test",
                                   .export_name = "default"});
  ASSERT_TRUE(cache.ok()) << cache.status();
  cache_ = *std::move(cache);
  const AttrReply root = channel_->GetAttr({"", info.root});
  ASSERT_EQ(root.error, 0);
  fs_ = std::make_unique<FileSystem>(options, *cache_, clock_, root.attr,
                                     Recorder());
}

Entry FileSystemTest::Look(NodeId dir, std::string_view name) {
  auto entry = fs_->Lookup(*channel_, dir, name);
  EXPECT_TRUE(entry.ok()) << name << ": " << entry.status();
  return entry.ok() ? *entry : Entry();
}

NodeId FileSystemTest::Find(std::string_view path) {
  NodeId node = kRootNode;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    node = Look(node, path.substr(0, slash)).node;
    EXPECT_NE(node, 0u) << path;
    path = slash == path.npos ? "" : path.substr(slash + 1);
  }
  return node;
}

Attr FileSystemTest::GetAttr(NodeId node) {
  auto entry = fs_->GetAttr(*channel_, node);
  EXPECT_TRUE(entry.ok()) << entry.status();
  return entry.ok() ? entry->attr : Attr();
}

std::string FileSystemTest::Read(NodeId node, uint64_t offset, size_t size) {
  const auto read = fs_->Read(*channel_, node, offset, size);
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? read->ToString() : "";
}

std::vector<std::string> FileSystemTest::Names(NodeId dir, size_t limit) {
  std::vector<std::string> names;
  for (uint64_t after = 0;;) {
    auto page = fs_->ReadDir(*channel_, dir, after, limit);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok() || page->items.empty()) return names;
    for (const DirItem& item : page->items) names.push_back(item.name);
    after = page->items.back().cookie;
  }
}

NodeId FileSystemTest::Create(NodeId dir, std::string_view name,
                              uint32_t mode) {
  auto entry =
      fs_->Create(*channel_, {geteuid(), getegid()}, dir, name, mode, "", true);
  EXPECT_TRUE(entry.ok()) << name << ": " << entry.status();
  return entry.ok() ? entry->node : 0;
}

std::vector<NodeId> FileSystemTest::Take(bool directories) {
  std::vector<NodeId> taken, left;
  absl::MutexLock lock(&mu_);
  for (const NodeId node : pages_) {
    const auto view = fs_->tree().Look(node);
    const bool directory = view && view->attr.IsDirectory();
    (directory == directories ? taken : left).push_back(node);
  }
  pages_ = left;
  return taken;
}

std::vector<NodeId> FileSystemTest::TakeAttrs() {
  absl::MutexLock lock(&mu_);
  return std::exchange(attrs_, {});
}

std::vector<Injection> FileSystemTest::TakeInjections() {
  absl::MutexLock lock(&mu_);
  return std::exchange(injections_, {});
}

std::vector<NodeId> FileSystemTest::TakePages() { return Take(false); }
std::vector<NodeId> FileSystemTest::TakeListings() { return Take(true); }

std::vector<std::pair<NodeId, std::string>> FileSystemTest::TakeEntries() {
  absl::MutexLock lock(&mu_);
  return std::exchange(entries_, {});
}

}  // namespace warmfs::fuse
