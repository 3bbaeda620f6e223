#include "fuse/session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fstream>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "fuse/detach.h"
#include "fuse/growth.h"
#include "fuse/idle_workers.h"
#include "fuse/session_internal.h"

namespace warmfs::fuse {

thread_local Worker* current_worker = nullptr;

namespace {

constexpr unsigned kReadAheadBytes = 1024 * 1024;
constexpr unsigned kMostAhead = 64;  // READs that wait for an answer

// What the kernel is asked for, and what not.
void OnInit(void* userdata, fuse_conn_info* conn) {
  const auto& context = *static_cast<SessionContext*>(userdata);
  constexpr unsigned kWanted =
      FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
      FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_ASYNC_DIO |
      // There are none, and so the kernel remembers that: `ls -l` asks for
      // them, file by file.
      FUSE_CAP_POSIX_ACL |
      // A new mtime or size drops the kernel's pages: without leases this is
      // what bounds the age of what an open file shows.
      FUSE_CAP_AUTO_INVAL_DATA;
  constexpr unsigned kLocks = FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS;
  // Everything else stays off: a writeback cache would trust the kernel's size
  // over the host's, READDIRPLUS_AUTO would bring look-ups back, and splicing
  // gains nothing for replies that are in memory already.
  conn->want =
      conn->capable & (kWanted | (context.options.host_locks ? kLocks : 0));
  conn->max_write = kMaxWriteBytes;
  conn->max_readahead = kReadAheadBytes;
  conn->max_background = kMostAhead;
  conn->congestion_threshold = 48;
}

// The kernel reads 128 KiB ahead at most, unless the device says more; each
// request then costs two switches for so little. Without the privilege it stays
// so. Asked for the device alone, the kernel asks us nothing.
void ReadFarAhead(const std::string& mountpoint) {
  constexpr int kFlags = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;
  struct statx st = {};
  if (statx(AT_FDCWD, mountpoint.c_str(), kFlags, 0, &st) != 0) return;
  std::ofstream(fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb",
                            st.stx_dev_major, st.stx_dev_minor))
      << kReadAheadBytes / 1024;
}

// What libfuse says when it cannot mount, for our own message.
std::string libfuse_says;

void KeepLog(fuse_log_level, const char* format, va_list args) {
  char line[512];
  vsnprintf(line, sizeof(line), format, args);
  libfuse_says += line;
  while (libfuse_says.ends_with('\n')) libfuse_says.pop_back();
}

// Of the mount that is seen only: the file system stays writable for the
// injector, which has a mount of its own (mount_view.h). Without the privilege
// the kernel goes on to allow what the file system then refuses (EROFS), which
// differs for access(2) and for an open for writing that writes nothing.
void ShowReadOnly(const std::string& mountpoint) {
  mount_attr attr = {};
  attr.attr_set = MOUNT_ATTR_RDONLY;
  if (mount_setattr(AT_FDCWD, mountpoint.c_str(), 0, &attr, sizeof(attr)) !=
      0) {
    spdlog::warn(
        "{} is shown as writable ({}); changes are refused all the same",
        mountpoint, strerror(errno));
  }
}

}  // namespace

int Drop(SessionContext& context, NodeId node, off_t offset, off_t length) {
  // Noted on both sides: it is between them that the kernel takes it in.
  const bool pages = offset >= 0;
  context.fs.NoteDropped(node, pages);
  const int error =
      fuse_lowlevel_notify_inval_inode(context.session, node, offset, length);
  context.fs.NoteDropped(node, pages);
  return error;
}

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
  // It takes in no attributes that it asked for before it was told to drop
  // some.
  if (entry->for_caller_only) Drop(Context(req), entry->node, -1, 0);
  fuse_reply_attr(req, &st, absl::ToDoubleSeconds(entry->valid_for));
}

Caller CallerOf(fuse_req_t req) {
  const fuse_ctx* ctx = fuse_req_ctx(req);
  return {ctx->uid, ctx->gid};
}

class Session::Impl {
 public:
  Impl(const MountOptions& options, FileSystem& fs, HostLocks& locks,
       rpc::Remote& remote)
      : options_(options), context_{options_, fs, locks,   remote,  {},
                                    {},       {}, nullptr, nullptr, nullptr} {
    ops_.init = OnInit;
    AddNameOperations(ops_);
    AddContentOperations(ops_);
    AddDirectoryOperations(ops_);
    AddLockOperations(ops_, options_.host_locks);
    context_.served = ops_;
    PutHandsFirst(ops_);
  }

  ~Impl() {
    if (context_.session == nullptr) return;
    if (mounted_) fuse_session_unmount(context_.session);
    fuse_session_destroy(context_.session);
  }

  absl::Status Mount() {
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
    context_.session = fuse_session_new(&args, &ops_, sizeof(ops_), &context_);
    fuse_opt_free_args(&args);
    if (context_.session == nullptr ||
        fuse_session_mount(context_.session, options_.mountpoint.c_str()) !=
            0) {
      return absl::FailedPreconditionError(fmt::format(
          "cannot mount on {}: {}; /dev/fuse must be there, and fusermount3 "
          "(package fuse3) unless you are root",
          options_.mountpoint, libfuse_says));
    }
    fuse_set_log_func(nullptr);
    mounted_ = true;
    ReadFarAhead(options_.mountpoint);
    if (options_.read_only) ShowReadOnly(options_.mountpoint);
    return absl::OkStatus();
  }

  void Run() {
    if (options_.host_locks) {
      context_.lock_waiter =
          std::make_unique<LockWaiter>(context_.locks, context_.remote);
    }
    for (int i = 0; i < options_.workers; ++i) AddWorker();
    // They may make others as long as they run.
    for (size_t i = 0; std::thread* worker = WorkerAt(i); ++i) worker->join();
    context_.lock_waiter.reset();
    context_.fence_waiter.reset();
  }

  void ServeFences(FenceWaiter::Fence fence) {
    context_.fence_waiter = std::make_unique<FenceWaiter>(std::move(fence));
  }

  // Not libfuse's, which closes the device first: workers could not answer any
  // more, and whoever is inside would wait for an answer for good.
  void Unmount() {
    const int error = Detach(options_.mountpoint, /*lazy=*/true);
    // EINVAL: somebody else has unmounted it already.
    if (error != 0 && error != EINVAL) {
      spdlog::error("cannot unmount {}: {}", options_.mountpoint,
                    strerror(error));
    }
  }

  void HoldUp(bool begins) {
    if (current_worker == nullptr) return;
    if (!begins) return idle_.GoesOn();
    if (idle_.HeldUp()) AddWorker();
  }

  fuse_session* session() { return context_.session; }
  FileSystem& fs() { return context_.fs; }
  SessionContext& context() { return context_; }
  const RequestCounts& requests() const { return context_.requests; }
  InjectionPlans& plans() { return context_.plans; }

 private:
  std::vector<std::string> MountFlags() const {
    std::vector<std::string> flags = {"fsname=" + options_.remote.endpoint,
                                      "subtype=warmfs", "default_permissions"};
    if (options_.allow_other) flags.push_back("allow_other");
    return flags;
  }

  void AddWorker() {
    // All the READs that the kernel sends ahead, and some.
    constexpr size_t kMostMore = 2 * kMostAhead;
    const size_t most = static_cast<size_t>(options_.workers) + kMostMore;
    absl::MutexLock lock(&workers_mu_);
    if (workers_.size() >= most) return;
    try {
      workers_.emplace_back([this] { Work(); });
    } catch (const std::system_error& error) {
      // As many threads as there may be: those that wait have a time limit.
      if (workers_.empty()) throw;
      spdlog::warn("no further worker: {}", error.what());
    }
  }

  std::thread* WorkerAt(size_t i) {
    absl::MutexLock lock(&workers_mu_);
    return i < workers_.size() ? &workers_[i] : nullptr;
  }

  void Work() {
    constexpr size_t kOrphansAtOnce = 64;
    Worker worker(context_.remote);
    current_worker = &worker;
    fuse_buf request = {};
    while (idle_.Await()) {
      const int n = Receive(&request);
      if (n <= 0) break;
      if (idle_.Taken()) AddWorker();
      fuse_session_process_buf(context_.session, &request);
      if (context_.fs.forgotten_orphans() >= kOrphansAtOnce) {
        context_.fs.ReleaseOrphans(worker.host);
      }
    }
    idle_.End();
    free(request.mem);
    current_worker = nullptr;
  }

  // 0 or less: there are no more.
  int Receive(fuse_buf* request) {
    int n = -EINTR;
    while (n == -EINTR && !fuse_session_exited(context_.session)) {
      n = fuse_session_receive_buf(context_.session, request);
    }
    return n;
  }

  const MountOptions options_;
  SessionContext context_;
  IdleWorkers idle_;
  absl::Mutex workers_mu_;
  // In a deque: they stay where they are while others are made.
  std::deque<std::thread> workers_ ABSL_GUARDED_BY(workers_mu_);
  fuse_lowlevel_ops ops_ = {};
  bool mounted_ = false;
};

Session::Session(const MountOptions& options, FileSystem& fs, HostLocks& locks,
                 rpc::Remote& remote)
    : impl_(std::make_unique<Impl>(options, fs, locks, remote)) {}
Session::~Session() = default;

absl::Status Session::Mount() { return impl_->Mount(); }
void Session::ServeFences(FenceWaiter::Fence fence) {
  impl_->ServeFences(std::move(fence));
}
void Session::Run() { impl_->Run(); }
void Session::HoldUp(bool begins) { impl_->HoldUp(begins); }
void Session::Unmount() { impl_->Unmount(); }

// The kernel does not know the inode (-ENOENT): all is well, unless a reply
// that tells of it for the first time is on its way, with what was true before.
// That reply is to a request that holds the directory's lock, as what is done
// to a name of the directory does; so dropping the name waits for it, and then
// the name is looked up anew.
void Session::InvalidateNode(NodeId node, off_t from) {
  if (Drop(impl_->context(), node, from, 0) != -ENOENT) return;
  const auto view = impl_->fs().tree().Look(node);
  if (!view || view->parent == 0) return;
  InvalidateEntry(view->parent, view->name);
  Drop(impl_->context(), node, from, 0);
}

void Session::InvalidatePages(NodeId node, uint64_t from_page) {
  FileSystem& fs = impl_->fs();
  const auto drop = [&](uint64_t from, uint64_t length) {
    // The first call finds out whether the kernel knows the inode.
    const auto offset = static_cast<off_t>(from);
    if (length == 0) return InvalidateNode(node, offset);
    Drop(impl_->context(), node, offset, static_cast<off_t>(length));
  };
  if (from_page != 0) return fs.drops().CarryFrom(node, from_page, drop);
  const auto view = fs.tree().Look(node);
  // A listing has no order, and is dropped at once.
  uint64_t bytes = 0;
  if (view && view->attr.IsRegular()) {
    const uint64_t told = fs.tree().told(node).at_most;
    bytes = view->attr.size;
    if (told != Told::kNothing) bytes = std::max(bytes, told);
  }
  fs.drops().Carry(node, bytes, drop, [&] {
    // What is known by now is what this drop does for.
    const auto now = fs.tree().Look(node);
    if (!now || !now->attr.IsRegular()) return;
    const uint64_t size = now->attr.size;
    if (fs.tree().told(node).at_least >= size) return;
    do {
      fs.tree_.NoteMayBeLonger(node, size);
      fs.drops().AwaitAnswers(node);
      // A call of the injector that it has waited for may have told otherwise.
    } while (fs.tree().told(node).at_most < size);
    drop(0, 0);
    MakeLonger(fuse_session_fd(impl_->session()), node, size);
    fs.tree_.NoteMayBeLonger(node, size);  // shorter meanwhile, perhaps
    fs.tree_.NoteLonger(node, size);
    drop(0, 0);  // what was read meanwhile (growth.h)
  });
}

void Session::InvalidateAttr(NodeId node) {
  // A negative offset leaves the pages (fuse_reverse_inval_inode).
  InvalidateNode(node, -1);
}

void Session::InvalidateEntry(NodeId dir, const std::string& name) {
  fuse_lowlevel_notify_inval_entry(impl_->session(), dir, name.data(),
                                   name.size());
}

bool Session::Store(NodeId node, std::string_view content) {
  fuse_bufvec buffer = FUSE_BUFVEC_INIT(content.size());
  buffer.buf[0].mem = const_cast<char*>(content.data());  // only read
  return fuse_lowlevel_notify_store(impl_->session(), node, 0, &buffer,
                                    static_cast<fuse_buf_copy_flags>(0)) == 0;
}

const RequestCounts& Session::requests() const { return impl_->requests(); }
InjectionPlans& Session::plans() { return impl_->plans(); }

}  // namespace warmfs::fuse
