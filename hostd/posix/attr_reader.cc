// AttrReader by statx(2).

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <xxhash.h>

#include <cstring>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "hostd/attr.h"
#include "hostd/resolve.h"

namespace warmfs::hostd {
namespace {

// Mounts come and go on the host; their number here is bounded all the same.
constexpr size_t kMaxFileSystems = 1024;

Timestamp FromStatx(const statx_timestamp& t) { return {t.tv_sec, t.tv_nsec}; }

// The clock that file systems take their timestamps from.
Timestamp CoarseNow() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return {now.tv_sec, static_cast<uint32_t>(now.tv_nsec)};
}

uint64_t DeviceOf(const struct statx& st) {
  return makedev(st.stx_dev_major, st.stx_dev_minor);
}

FileId MakeId(uint64_t fsid, const struct statx& st) {
  const bool born = (st.stx_mask & STATX_BTIME) != 0;
  const uint64_t fields[] = {
      fsid, st.stx_ino, born ? static_cast<uint64_t>(st.stx_btime.tv_sec) : 0,
      born ? st.stx_btime.tv_nsec : 0};
  const XXH128_hash_t hash = XXH3_128bits(fields, sizeof(fields));
  const FileId id{hash.high64, hash.low64};
  return id.IsNull() ? FileId{0, 1} : id;
}

// Inode numbers of other file systems move to the upper half, out of the way of
// the root's own.
uint64_t ForeignIno(uint64_t fsid, uint64_t ino) {
  const uint64_t fields[] = {fsid, ino};
  return XXH3_64bits(fields, sizeof(fields)) | uint64_t{1} << 63;
}

void Fill(const struct statx& st, Attr* out) {
  out->size = st.stx_size;
  out->blocks_512 = st.stx_blocks;
  out->rdev = makedev(st.stx_rdev_major, st.stx_rdev_minor);
  out->mode = st.stx_mode;
  out->uid = st.stx_uid;
  out->gid = st.stx_gid;
  out->nlink = st.stx_nlink;
  out->atime = FromStatx(st.stx_atime);
  out->mtime = FromStatx(st.stx_mtime);
  out->ctime = FromStatx(st.stx_ctime);
}

int Statx(int dir, const char* name, struct statx* out) {
  constexpr int kFlags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  constexpr unsigned kMask = STATX_BASIC_STATS | STATX_BTIME;
  return statx(dir, name, kFlags, kMask, out) == 0 ? 0 : errno;
}

uint64_t AskFileSystemId(int fd, uint64_t device) {
  struct statfs fs {};
  uint64_t fsid = 0;
  if (fstatfs(fd, &fs) != 0) return device;
  static_assert(sizeof(fs.f_fsid) == sizeof(fsid));
  std::memcpy(&fsid, &fs.f_fsid, sizeof(fsid));
  return fsid != 0 ? fsid : device;
}

}  // namespace

struct AttrReader::Volumes {
  uint64_t root_device = 0;
  uint64_t root_fsid = 0;
  // Of file systems mounted beneath the root, by device.
  absl::Mutex mu;
  absl::flat_hash_map<uint64_t, uint64_t> fsids ABSL_GUARDED_BY(mu);

  uint64_t FileSystemId(uint64_t device, int dir, const std::string& name)
      ABSL_LOCKS_EXCLUDED(mu);
};

AttrReader::AttrReader(int root, Overlay overlay)
    : overlay_(std::move(overlay)), volumes_(std::make_unique<Volumes>()) {
  struct statx st {};
  if (Statx(root, "", &st) != 0) return;
  volumes_->root_device = DeviceOf(st);
  volumes_->root_fsid = AskFileSystemId(root, volumes_->root_device);
}

AttrReader::~AttrReader() = default;

uint64_t AttrReader::Volumes::FileSystemId(uint64_t device, int dir,
                                           const std::string& name) {
  if (device == root_device) return root_fsid;
  {
    absl::MutexLock lock(&mu);
    const auto it = fsids.find(device);
    if (it != fsids.end()) return it->second;
  }
  UniqueFd child;
  if (!name.empty() && OpenChild(dir, name, &child) != 0) return device;
  const int fd = child ? child.get() : dir;
  struct statx st {};
  if (Statx(fd, "", &st) != 0 || DeviceOf(st) != device) return device;
  const uint64_t fsid = AskFileSystemId(fd, device);
  absl::MutexLock lock(&mu);
  if (fsids.size() >= kMaxFileSystems) fsids.clear();
  fsids[device] = fsid;
  return fsid;
}

int AttrReader::ReadPlain(int dir, const std::string& name, Attr* out) const {
  const Timestamp now = CoarseNow();
  struct statx st {};
  if (const int error = Statx(dir, name.c_str(), &st)) return error;
  const uint64_t device = DeviceOf(st);
  const uint64_t fsid = volumes_->FileSystemId(device, dir, name);
  Fill(st, out);
  out->id = MakeId(fsid, st);
  const bool own = device == volumes_->root_device;
  out->ino = own ? st.stx_ino : ForeignIno(fsid, st.stx_ino);
  out->racy = IsRacy(out->ctime, now);
  return 0;
}

}  // namespace warmfs::hostd
