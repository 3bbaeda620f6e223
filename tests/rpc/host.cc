#include "tests/rpc/host.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "absl/time/clock.h"
#include "hostd/attr.h"
#include "hostd/limits.h"
#include "hostd/posix/inotify_source.h"
#include "hostd/posix/object_watcher.h"

namespace warmfs::rpc {

Host::Host(Options options)
    : options_(std::move(options)), root_(base_ / "root") {
  hostd::SetUmask();
  mkdir(root_.c_str(), 0755);
  Start();
}

Host::~Host() { Stop(); }

void Host::Start() {
  service_ = std::make_unique<hostd::Service>();
  service_->instance = ++instance_;
  service_->token = options_.token;
  hostd::ExportOptions exported{.name = "default", .directory = root_};
  if (options_.watch_with) {
    exported.watch = options_.watch_with();
  } else if (options_.watch) {
    auto source = hostd::InotifySource::Create();
    ASSERT_TRUE(source.ok()) << source.status();
    exported.watch = hostd::WatchObjects(*std::move(source), options_.watcher);
  }
  auto opened = hostd::Export::Open(std::move(exported));
  ASSERT_TRUE(opened.ok()) << opened.status();
  service_->exports.push_back(*std::move(opened));
  UniqueFd stop(eventfd(0, EFD_CLOEXEC));
  stop_ = stop.get();
  server_ = std::make_unique<hostd::Server>(*service_, std::move(stop));
  absl::Status listening = server_->Listen(endpoint());
  ASSERT_TRUE(listening.ok()) << listening;
  if (!options_.listen.empty()) {
    listening = server_->Listen(options_.listen);
    ASSERT_TRUE(listening.ok()) << listening;
  }
  thread_ = std::thread([this] { server_->Run(); });
}

void Host::Stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  EXPECT_EQ(write(stop_, &one, sizeof(one)), ssize_t{sizeof(one)});
  thread_.join();
  server_.reset();
  service_.reset();
}

void Host::Forget(const std::string& client_id) {
  hostd::Clients& clients = service_->clients;
  const uint64_t before = clients.Find(client_id)->incarnation();
  // A connection's thread ends a little after its channel.
  for (absl::Time now = absl::Now();
       clients.Find(client_id)->incarnation() == before;
       now += hostd::Clients::kGrace) {
    clients.Sweep(now);
    std::this_thread::yield();
  }
}

RemoteOptions Host::RemoteOptionsFor(const std::string& endpoint) const {
  return {.endpoint = endpoint, .export_name = "default", .token = {}};
}

std::string Host::operator/(std::string_view path) const {
  return root_ + "/" + std::string(path);
}

void Host::Write(std::string_view path, std::string_view bytes) const {
  std::ofstream out(*this / path, std::ios::binary);
  out << bytes;
  ASSERT_TRUE(out.flush()) << path;
}

std::string Host::Read(std::string_view path) const {
  std::ifstream in(*this / path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

bool Host::Has(std::string_view path) const {
  struct stat st {};
  return lstat((*this / path).c_str(), &st) == 0;
}

void Host::MakeDir(std::string_view path) const {
  ASSERT_EQ(mkdir((*this / path).c_str(), 0755), 0) << path;
}

void Host::Rename(std::string_view from, std::string_view to) const {
  ASSERT_EQ(rename((*this / from).c_str(), (*this / to).c_str()), 0) << from;
}

void Host::Remove(std::string_view path) const {
  ASSERT_EQ(::remove((*this / path).c_str()), 0) << path;
}

void Host::Settle(std::string_view path) const {
  const std::string name = path.empty() ? root_ : *this / path;
  const UniqueFd fd(open(name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  const hostd::AttrReader reader(fd.get(), hostd::Overlay(false, -1));
  Attr attr;
  do {
    ASSERT_EQ(reader.Read(fd.get(), &attr), 0) << name;
  } while (attr.racy);
}

}  // namespace warmfs::rpc
