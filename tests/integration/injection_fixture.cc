#include "tests/integration/injection_fixture.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "schema/unique_fd.h"

namespace warmfs::testing {

using fuse::Injection;
using fuse::NodeId;

namespace {

constexpr absl::Duration kLease = absl::Hours(1);

}  // namespace

void InjectionTest::SetUp() {
  if (access("/dev/fuse", R_OK | W_OK) != 0) {
    GTEST_SKIP() << "no /dev/fuse here";
  }
  mnt_ = tmp_ / "mnt";
  ASSERT_EQ(mkdir(mnt_.c_str(), 0755), 0);
  host_.MakeDir("d");
  host_.MakeDir("e");
  host_.Write("d/f", "content");
  host_.Write("d/g", "other");
  proxy_ = std::make_unique<rpc::Proxy>(tmp_ / "proxy.sock", host_.endpoint());
}

void InjectionTest::Mount(bool read_only) {
  auto remote = rpc::Remote::Create(host_.RemoteOptionsFor(proxy_->endpoint()));
  ASSERT_TRUE(remote.ok()) << remote.status();
  remote_ = *std::move(remote);
  channel_ = std::make_unique<rpc::Channel>(*remote_);
  ASSERT_TRUE(channel_->Open().ok());
  const ExportInfo info = *remote_->info();
  auto cache = cache::Cache::Open({.identity = info.identity,
                                   .root = info.root,
                                   .source = "test",
                                   .export_name = "default"});
  ASSERT_TRUE(cache.ok()) << cache.status();
  cache_ = *std::move(cache);
  const AttrReply root = channel_->GetAttr({"", info.root});
  ASSERT_EQ(root.error, 0);
  fs_ = std::make_unique<fuse::FileSystem>(
      fuse::FileSystemOptions{.ttl = kLease, .read_only = read_only}, *cache_,
      clock_, root.attr,
      fuse::Invalidations{
          .pages = [this](NodeId node) { notifier_->Pages(node); },
          .held_up =
              [this](bool begins) {
                session_->HoldUp(begins);
                ++(begins ? began_to_wait_ : waited_);
              },
          .attr = [this](NodeId node) { notifier_->Attr(node); },
          .entry =
              [this](NodeId dir, std::string_view name) {
                notifier_->Entry(dir, name);
              }});
  fuse::MountOptions options;
  options.remote = remote_->options();
  options.mountpoint = mnt_;
  options.read_only = read_only;
  options.workers = kWorkers;
  locks_ = std::make_unique<fuse::HostLocks>(*fs_, *remote_);
  session_ = std::make_unique<fuse::Session>(options, *fs_, *locks_, *remote_);
  const auto invalidate = [this](NodeId dir, const std::string& name) {
    session_->InvalidateEntry(dir, name);
  };
  notifier_ = std::make_unique<fuse::Notifier>(fuse::Notifier::Kernel{
      .pages = [this](NodeId node) { session_->InvalidatePages(node); },
      .attr = [this](NodeId node) { session_->InvalidateAttr(node); },
      .entry = invalidate});
  injector_options_.mountpoint = mnt_;
  injector_ = std::make_unique<fuse::Injector>(
      injector_options_, *fs_, session_->plans(),
      [this, invalidate](NodeId dir, const std::string& name) {
        invalidate(dir, name);
        invalidated_(name);
      });
  const absl::Status mounted = session_->Mount();
  ASSERT_TRUE(mounted.ok()) << mounted;
  ASSERT_TRUE(injector_->Start().ok());
  serving_ = std::thread([this] { session_->Run(); });
  watcher_ = std::make_unique<Watcher>(mnt_);
  EXPECT_EQ(Names("d"), (std::set<std::string>{"f", "g"}));
  d_ = Node("d");
  e_ = Node("e");
  watcher_->Take();
}

void InjectionTest::Unmount() {
  watcher_.reset();
  EXPECT_EQ(umount2(mnt_.c_str(), 0), 0) << strerror(errno);
  serving_.join();
}

void InjectionTest::TearDown() {
  watcher_.reset();
  if (serving_.joinable()) {
    umount2(mnt_.c_str(), MNT_DETACH);
    injector_->Stop();
    serving_.join();
  }
  injector_.reset();
  notifier_.reset();
  session_.reset();
}

Attr InjectionTest::Ask(const std::string& path) {
  NodeRef at{"", remote_->info()->root};
  Attr attr;
  for (size_t start = 0; start <= path.size();) {
    const size_t slash = std::min(path.find('/', start), path.size());
    const std::string name = path.substr(start, slash - start);
    const LookupReply reply = channel_->Lookup({.dir = at, .name = name});
    if (reply.error != 0) return Attr();
    attr = reply.entry;
    at = {path.substr(0, slash), attr.id};
    start = slash + 1;
  }
  return attr;
}

NodeId InjectionTest::Node(const std::string& path) {
  if (path.empty()) return fuse::kRootNode;
  struct stat st;
  EXPECT_EQ(stat(Mnt(path).c_str(), &st), 0) << path << strerror(errno);
  return fs_->tree().Find(Ask(path).id);
}

void InjectionTest::Learn(const std::vector<std::string>& dirs,
                          const std::vector<std::string>& names) {
  clock_.Step(2 * kLease);
  for (const std::string& dir : dirs) {
    const NodeId node =
        dir.empty() ? fuse::kRootNode : fs_->tree().Find(Ask(dir).id);
    ASSERT_TRUE(fs_->ReadDir(*channel_, node, 0, 1).ok()) << dir;
    session_->InvalidatePages(node);
    for (const std::string& name : names) session_->InvalidateEntry(node, name);
  }
}

void InjectionTest::Push(Injection injection) {
  injection.sequence = ++sequence_;
  injector_->Push(std::move(injection));
}

std::string InjectionTest::Events() {
  EXPECT_TRUE(
      injector_->AwaitDelivered(sequence_, absl::Now() + absl::Seconds(20)));
  return ToString(watcher_->TakeNormalised());
}

std::set<std::string> InjectionTest::Names(const std::string& dir) {
  std::set<std::string> here, there;
  for (const auto& entry : std::filesystem::directory_iterator(Mnt(dir))) {
    here.insert(entry.path().filename());
    struct stat st;
    EXPECT_EQ(lstat(entry.path().c_str(), &st), 0) << entry.path();
  }
  for (const auto& entry : std::filesystem::directory_iterator(Host(dir))) {
    there.insert(entry.path().filename());
  }
  EXPECT_EQ(here, there);
  return here;
}

void InjectionTest::ExpectTruth(const std::string& path) {
  struct stat here = {}, there = {};
  const int found = lstat(Mnt(path).c_str(), &here);
  ASSERT_EQ(found, lstat(Host(path).c_str(), &there)) << path;
  if (found != 0) return;
  EXPECT_EQ(here.st_mode, there.st_mode) << path;
  EXPECT_EQ(here.st_size, there.st_size) << path;
  EXPECT_EQ(here.st_nlink, there.st_nlink) << path;
  EXPECT_EQ(here.st_ino, there.st_ino) << path;
  EXPECT_EQ(here.st_mtim.tv_nsec, there.st_mtim.tv_nsec) << path;
  if (!S_ISREG(there.st_mode)) return;
  UniqueFd fd(open(Mnt(path).c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_GE(fd.get(), 0) << path << ": " << strerror(errno);
  std::string bytes(here.st_size + 1, '\0');
  const ssize_t n = read(fd.get(), bytes.data(), bytes.size());
  bytes.resize(std::max<ssize_t>(n, 0));
  EXPECT_EQ(bytes, host_.Read(path)) << path;
}

}  // namespace warmfs::testing
