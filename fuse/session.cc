#include "fuse/session.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "fuse/session_internal.h"

namespace warmfs::fuse {

thread_local Worker* current_worker = nullptr;

namespace {

// What the kernel is asked for, and what not.
void OnInit(void* userdata, fuse_conn_info* conn) {
  const auto& context = *static_cast<SessionContext*>(userdata);
  constexpr unsigned kWanted =
      FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
      FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_ASYNC_DIO |
      // A new mtime or size drops the kernel's pages: without leases this is
      // what bounds the age of what an open file shows.
      FUSE_CAP_AUTO_INVAL_DATA;
  constexpr unsigned kLocks = FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS;
  // Everything else stays off: a writeback cache would trust the kernel's size
  // over the host's, READDIRPLUS_AUTO would bring look-ups back, and splicing
  // gains nothing for replies that are in memory already.
  conn->want = conn->capable &
               (kWanted | (context.options.host_locks ? kLocks : 0));
  conn->max_write = kMaxWriteBytes;
  conn->max_readahead = 1024 * 1024;
  conn->max_background = 64;
  conn->congestion_threshold = 48;
}

// What libfuse says when it cannot mount, for our own message.
std::string libfuse_says;

void KeepLog(fuse_log_level, const char* format, va_list args) {
  char line[512];
  vsnprintf(line, sizeof(line), format, args);
  libfuse_says += line;
  while (libfuse_says.ends_with('\n')) libfuse_says.pop_back();
}

absl::Status BadMountpoint(const std::string& mountpoint) {
  struct stat st;
  if (stat(mountpoint.c_str(), &st) != 0) {
    return absl::NotFoundError(
        fmt::format("mountpoint {}: {}", mountpoint, strerror(errno)));
  }
  if (!S_ISDIR(st.st_mode)) {
    return absl::FailedPreconditionError(
        fmt::format("mountpoint {} is not a directory", mountpoint));
  }
  return absl::OkStatus();
}

}  // namespace

struct stat ToStat(const Attr& attr) {
  struct stat st = {};
  st.st_ino = attr.ino;
  st.st_mode = attr.mode;
  st.st_nlink = attr.nlink;
  st.st_uid = attr.uid;
  st.st_gid = attr.gid;
  st.st_rdev = attr.rdev;
  st.st_size = static_cast<off_t>(attr.size);
  st.st_blocks = static_cast<blkcnt_t>(attr.blocks_512);
  // What programs read and write at a time: fewer requests than with 4 KiB.
  st.st_blksize = kBlockBytes;
  st.st_atim = {attr.atime.sec, attr.atime.nsec};
  st.st_mtim = {attr.mtime.sec, attr.mtime.nsec};
  st.st_ctim = {attr.ctime.sec, attr.ctime.nsec};
  return st;
}

fuse_entry_param ToEntryParam(const Entry& entry) {
  fuse_entry_param e = {};
  e.ino = entry.node;
  e.attr = ToStat(entry.attr);
  e.attr_timeout = e.entry_timeout = absl::ToDoubleSeconds(entry.valid_for);
  return e;
}

void ReplyEntry(fuse_req_t req, const absl::StatusOr<Entry>& entry) {
  if (!entry.ok()) return ReplyStatus(req, entry.status());
  const fuse_entry_param e = ToEntryParam(*entry);
  // The kernel never got it, so it will not forget it either.
  if (fuse_reply_entry(req, &e) == -ENOENT && entry->node != 0) {
    Context(req).fs.Forget(entry->node, 1);
  }
}

void ReplyAttr(fuse_req_t req, const absl::StatusOr<Entry>& entry) {
  if (!entry.ok()) return ReplyStatus(req, entry.status());
  const struct stat st = ToStat(entry->attr);
  fuse_reply_attr(req, &st, absl::ToDoubleSeconds(entry->valid_for));
}

Caller CallerOf(fuse_req_t req) {
  const fuse_ctx* ctx = fuse_req_ctx(req);
  return {ctx->uid, ctx->gid};
}

class Session::Impl {
 public:
  Impl(const MountOptions& options, FileSystem& fs, rpc::Remote& remote)
      : options_(options), context_{options_, fs, remote, {}, nullptr} {
    ops_.init = OnInit;
    AddNameOperations(ops_);
    AddContentOperations(ops_);
    AddDirectoryOperations(ops_);
    AddLockOperations(ops_, options_.host_locks);
  }

  ~Impl() {
    if (session_ == nullptr) return;
    if (mounted_) fuse_session_unmount(session_);
    fuse_session_destroy(session_);
  }

  absl::Status Mount() {
    absl::Status ok = BadMountpoint(options_.mountpoint);
    if (!ok.ok()) return ok;
    libfuse_says.clear();
    fuse_set_log_func(KeepLog);
    fuse_args args = FUSE_ARGS_INIT(0, nullptr);
    fuse_opt_add_arg(&args, "warmfs");
    fuse_opt_add_arg(&args, "-o");
    char* options = nullptr;
    for (const std::string& option : MountFlags()) {
      fuse_opt_add_opt_escaped(&options, option.c_str());
    }
    fuse_opt_add_arg(&args, options);
    free(options);
    session_ = fuse_session_new(&args, &ops_, sizeof(ops_), &context_);
    fuse_opt_free_args(&args);
    if (session_ == nullptr ||
        fuse_session_mount(session_, options_.mountpoint.c_str()) != 0) {
      return absl::FailedPreconditionError(fmt::format(
          "cannot mount on {}: {}; /dev/fuse must be there, and fusermount3 "
          "(package fuse3) unless you are root",
          options_.mountpoint, libfuse_says));
    }
    fuse_set_log_func(nullptr);
    mounted_ = true;
    return absl::OkStatus();
  }

  void Run() {
    if (options_.host_locks) {
      context_.lock_waiter =
          std::make_unique<LockWaiter>(context_.fs, context_.remote);
    }
    std::vector<std::thread> workers;
    for (int i = 0; i < options_.workers; ++i) {
      workers.emplace_back([this] { Work(); });
    }
    for (std::thread& worker : workers) worker.join();
    context_.lock_waiter.reset();
  }

  void Unmount() { fuse_session_unmount(session_); }

  fuse_session* session() { return session_; }
  const RequestCounts& requests() const { return context_.requests; }

 private:
  std::vector<std::string> MountFlags() const {
    std::vector<std::string> flags = {
        "fsname=" + options_.remote.endpoint, "subtype=warmfs",
        "default_permissions"};
    if (options_.allow_other) flags.push_back("allow_other");
    if (options_.read_only) flags.push_back("ro");
    return flags;
  }

  void Work() {
    constexpr size_t kOrphansAtOnce = 64;
    Worker worker(context_.remote);
    current_worker = &worker;
    fuse_buf request = {};
    while (!fuse_session_exited(session_)) {
      const int n = fuse_session_receive_buf(session_, &request);
      if (n == -EINTR) continue;
      if (n <= 0) break;
      fuse_session_process_buf(session_, &request);
      if (context_.fs.forgotten_orphans() >= kOrphansAtOnce) {
        context_.fs.ReleaseOrphans(worker.host);
      }
    }
    free(request.mem);
    current_worker = nullptr;
  }

  const MountOptions options_;
  SessionContext context_;
  fuse_lowlevel_ops ops_ = {};
  fuse_session* session_ = nullptr;
  bool mounted_ = false;
};

Session::Session(const MountOptions& options, FileSystem& fs,
                 rpc::Remote& remote)
    : impl_(std::make_unique<Impl>(options, fs, remote)) {}
Session::~Session() = default;

absl::Status Session::Mount() { return impl_->Mount(); }
void Session::Run() { impl_->Run(); }
void Session::Unmount() { impl_->Unmount(); }

void Session::InvalidatePages(NodeId node) {
  // -ENOENT: the kernel does not know the node any more. All is well then.
  fuse_lowlevel_notify_inval_inode(impl_->session(), node, 0, 0);
}

void Session::InvalidateEntry(NodeId dir, const std::string& name) {
  fuse_lowlevel_notify_inval_entry(impl_->session(), dir, name.data(),
                                   name.size());
}

const RequestCounts& Session::requests() const { return impl_->requests(); }

}  // namespace warmfs::fuse
