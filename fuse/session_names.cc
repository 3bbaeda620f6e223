// Requests about names and attributes.
//
// The kernel believes the attributes in a reply to SETATTR or LINK whatever it
// was told to drop meanwhile (fuse_do_setattr, create_new_entry), so they get
// no time: the next look at them is answered without the host. Those of an
// object that is new to the kernel get theirs: Session::InvalidateNode sees to
// them.

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

#include "fuse/session_internal.h"

namespace warmfs::fuse {
namespace {

void Lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  FileSystem& fs = Begin(req, Op::kLookup);
  ReplyEntry(req, fs.Lookup(Host(), parent, name));
}

void Forget(fuse_req_t req, fuse_ino_t ino, uint64_t count) {
  Begin(req, Op::kForget).Forget(ino, count);
  fuse_reply_none(req);
}

void ForgetMulti(fuse_req_t req, size_t count, fuse_forget_data* forgets) {
  FileSystem& fs = Begin(req, Op::kForget);
  for (size_t i = 0; i < count; ++i) {
    fs.Forget(forgets[i].ino, forgets[i].nlookup);
  }
  fuse_reply_none(req);
}

void GetAttr(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) {
  FileSystem& fs = Begin(req, Op::kGetAttr);
  ReplyAttr(req, fs.GetAttr(Host(), ino));
}

TimeOrNow TimeToSet(bool now, const timespec& time) {
  return {.now = now,
          .time = {time.tv_sec, static_cast<uint32_t>(time.tv_nsec)}};
}

void SetAttr(fuse_req_t req, fuse_ino_t ino, struct stat* attr, int to_set,
             fuse_file_info*) {
  FileSystem& fs = Begin(req, Op::kSetAttr);
  SetAttrRequest wanted;
  if (to_set & FUSE_SET_ATTR_MODE) wanted.mode = attr->st_mode & 07777;
  if (to_set & FUSE_SET_ATTR_UID) wanted.uid = attr->st_uid;
  if (to_set & FUSE_SET_ATTR_GID) wanted.gid = attr->st_gid;
  if (to_set & FUSE_SET_ATTR_SIZE) wanted.size = attr->st_size;
  if (to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW)) {
    wanted.atime = TimeToSet(to_set & FUSE_SET_ATTR_ATIME_NOW, attr->st_atim);
  }
  if (to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)) {
    wanted.mtime = TimeToSet(to_set & FUSE_SET_ATTR_MTIME_NOW, attr->st_mtim);
  }
  absl::StatusOr<Entry> entry = fs.SetAttr(Host(), ino, wanted);
  if (entry.ok()) entry->valid_for = absl::ZeroDuration();
  ReplyAttr(req, entry);
}

void ReadLink(fuse_req_t req, fuse_ino_t ino) {
  FileSystem& fs = Begin(req, Op::kReadLink);
  absl::StatusOr<std::string> target = fs.ReadLink(Host(), ino);
  if (!target.ok()) return ReplyStatus(req, target.status());
  fuse_reply_readlink(req, target->c_str());
}

void Mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
           dev_t) {
  FileSystem& fs = Begin(req, Op::kMknod);
  ReplyEntry(req, fs.Create(Host(), CallerOf(req), parent, name, mode, "",
                            /*exclusive=*/true));
}

void Mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  FileSystem& fs = Begin(req, Op::kMkdir);
  ReplyEntry(req, fs.Create(Host(), CallerOf(req), parent, name,
                            S_IFDIR | (mode & 07777), "", /*exclusive=*/true));
}

void Symlink(fuse_req_t req, const char* target, fuse_ino_t parent,
             const char* name) {
  FileSystem& fs = Begin(req, Op::kSymlink);
  ReplyEntry(req, fs.Create(Host(), CallerOf(req), parent, name, S_IFLNK | 0777,
                            target, /*exclusive=*/true));
}

// In contrast to mknod, a file that came into being on the host since the
// kernel last looked is opened, as O_CREAT without O_EXCL means.
void Create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* fi) {
  FileSystem& fs = Begin(req, Op::kCreate);
  absl::StatusOr<Entry> entry =
      fs.Create(Host(), CallerOf(req), parent, name, S_IFREG | (mode & 07777),
                "", (fi->flags & O_EXCL) != 0);
  if (!entry.ok()) return ReplyStatus(req, entry.status());
  fi->keep_cache = 1;
  const fuse_entry_param e = ToEntryParam(*entry);
  if (fuse_reply_create(req, &e, fi) == -ENOENT) fs.Forget(entry->node, 1);
}

void Unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  FileSystem& fs = Begin(req, Op::kUnlink);
  ReplyStatus(req, fs.Remove(Host(), parent, name, /*directory=*/false));
}

void Rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  FileSystem& fs = Begin(req, Op::kRmdir);
  ReplyStatus(req, fs.Remove(Host(), parent, name, /*directory=*/true));
}

void Rename(fuse_req_t req, fuse_ino_t parent, const char* name,
            fuse_ino_t new_parent, const char* new_name, unsigned flags) {
  FileSystem& fs = Begin(req, Op::kRename);
  ReplyStatus(req,
              fs.Rename(Host(), parent, name, new_parent, new_name, flags));
}

void Link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char* name) {
  FileSystem& fs = Begin(req, Op::kLink);
  absl::StatusOr<Entry> entry = fs.Link(Host(), ino, parent, name);
  if (entry.ok()) entry->valid_for = absl::ZeroDuration();
  ReplyEntry(req, entry);
}

void StatFs(fuse_req_t req, fuse_ino_t ino) {
  FileSystem& fs = Begin(req, Op::kStatFs);
  absl::StatusOr<StatFsReply> reply = fs.StatFs(Host(), ino);
  if (!reply.ok()) return ReplyStatus(req, reply.status());
  struct statvfs st = {};
  st.f_bsize = st.f_frsize = reply->block_bytes;
  st.f_blocks = reply->blocks;
  st.f_bfree = reply->blocks_free;
  st.f_bavail = reply->blocks_available;
  st.f_files = reply->files;
  st.f_ffree = st.f_favail = reply->files_free;
  st.f_namemax = reply->name_max;
  fuse_reply_statfs(req, &st);
}

// A size of 0 asks how long the value is.
void ReplyXattr(fuse_req_t req, const absl::StatusOr<std::string>& value,
                size_t size) {
  if (!value.ok()) return ReplyStatus(req, value.status());
  if (size == 0) {
    fuse_reply_xattr(req, value->size());
  } else if (value->size() > size) {
    fuse_reply_err(req, ERANGE);
  } else {
    fuse_reply_buf(req, value->data(), value->size());
  }
}

// The answer comes from the fence waiter's thread.
void GetFence(fuse_req_t req, size_t size) {
  FenceWaiter* waiter = Context(req).fence_waiter.get();
  if (waiter == nullptr) return ReplyStatus(req, ErrnoError(EOPNOTSUPP));
  if (size == 0) {
    fuse_reply_xattr(req, kFenceTextBytes);
    return;
  }
  waiter->Add([req, size](const absl::StatusOr<JournalPos>& pos) {
    if (!pos.ok()) return ReplyStatus(req, pos.status());
    ReplyXattr(req, FenceText(*pos), size);
  });
}

void GetXattr(fuse_req_t req, fuse_ino_t ino, const char* name, size_t size) {
  FileSystem& fs = Begin(req, Op::kGetXattr);
  if (std::string_view(name) == kFenceXattr) return GetFence(req, size);
  ReplyXattr(req, fs.GetXattr(Host(), ino, name), size);
}

void ListXattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
  FileSystem& fs = Begin(req, Op::kListXattr);
  ReplyXattr(req, fs.GetXattr(Host(), ino, ""), size);
}

void SetXattr(fuse_req_t req, fuse_ino_t ino, const char* name,
              const char* value, size_t size, int flags) {
  FileSystem& fs = Begin(req, Op::kSetXattr);
  SetXattrRequest wanted{.node = {},
                         .name = name,
                         .value = std::string_view(value, size),
                         .flags = flags};
  ReplyStatus(req, fs.SetXattr(Host(), wanted, ino));
}

void RemoveXattr(fuse_req_t req, fuse_ino_t ino, const char* name) {
  FileSystem& fs = Begin(req, Op::kRemoveXattr);
  SetXattrRequest wanted{
      .node = {}, .name = name, .value = std::nullopt, .flags = 0};
  ReplyStatus(req, fs.SetXattr(Host(), wanted, ino));
}

}  // namespace

void AddNameOperations(fuse_lowlevel_ops& ops) {
  ops.lookup = Lookup;
  ops.forget = Forget;
  ops.forget_multi = ForgetMulti;
  ops.getattr = GetAttr;
  ops.setattr = SetAttr;
  ops.readlink = ReadLink;
  ops.mknod = Mknod;
  ops.mkdir = Mkdir;
  ops.symlink = Symlink;
  ops.create = Create;
  ops.unlink = Unlink;
  ops.rmdir = Rmdir;
  ops.rename = Rename;
  ops.link = Link;
  ops.statfs = StatFs;
  ops.getxattr = GetXattr;
  ops.listxattr = ListXattr;
  ops.setxattr = SetXattr;
  ops.removexattr = RemoveXattr;
}

}  // namespace warmfs::fuse
