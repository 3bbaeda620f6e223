// AttrReader by statx(2) and name_to_handle_at(2).

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <xxhash.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "hostd/attr.h"

namespace warmfs::hostd {
namespace {

constexpr size_t kHandleBytes = sizeof(file_handle) + MAX_HANDLE_SZ;

// Mounts come and go on the host; their number here is bounded all the same.
constexpr size_t kMaxFileSystems = 1024;

struct Volume {
  uint64_t fsid = 0;
  // A handle names its object for as long as that exists. FUSE's is made of the
  // node, which the kernel may forget.
  bool lasting_handles = false;
};

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

// The inode's generation, as part of its handle; nothing where there is none.
std::string_view HandleOf(int fd, char (&buffer)[kHandleBytes]) {
  auto* handle = reinterpret_cast<file_handle*>(buffer);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  if (name_to_handle_at(fd, "", handle, &mount, AT_EMPTY_PATH) != 0) return "";
  return {reinterpret_cast<const char*>(handle->f_handle),
          handle->handle_bytes};
}

FileId MakeId(const Volume& volume, const struct statx& st, int fd) {
  const bool born = (st.stx_mask & STATX_BTIME) != 0;
  alignas(file_handle) char buffer[kHandleBytes];
  const std::string_view handle =
      volume.lasting_handles ? HandleOf(fd, buffer) : "";
  const uint64_t fields[] = {
      volume.fsid, st.stx_ino,
      born ? static_cast<uint64_t>(st.stx_btime.tv_sec) : 0,
      born ? st.stx_btime.tv_nsec : 0,
      XXH3_64bits(handle.data(), handle.size())};
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

int Statx(int fd, struct statx* out) {
  constexpr int kFlags = AT_EMPTY_PATH | AT_NO_AUTOMOUNT;
  constexpr unsigned kMask = STATX_BASIC_STATS | STATX_BTIME;
  return statx(fd, "", kFlags, kMask, out) == 0 ? 0 : errno;
}

Volume AskVolume(int fd, uint64_t device) {
  struct statfs fs {};
  uint64_t fsid = 0;
  if (fstatfs(fd, &fs) != 0) return {.fsid = device};
  static_assert(sizeof(fs.f_fsid) == sizeof(fsid));
  std::memcpy(&fsid, &fs.f_fsid, sizeof(fsid));
  return {.fsid = fsid != 0 ? fsid : device,
          .lasting_handles = fs.f_type != FUSE_SUPER_MAGIC};
}

}  // namespace

struct AttrReader::Volumes {
  uint64_t root_device = 0;
  Volume root;
  // File systems mounted beneath the root, by device.
  absl::Mutex mu;
  absl::flat_hash_map<uint64_t, Volume> others ABSL_GUARDED_BY(mu);

  Volume Of(int fd, uint64_t device) ABSL_LOCKS_EXCLUDED(mu);
};

AttrReader::AttrReader(int root, Overlay overlay)
    : overlay_(std::move(overlay)), volumes_(std::make_unique<Volumes>()) {
  struct statx st {};
  if (Statx(root, &st) != 0) return;
  volumes_->root_device = DeviceOf(st);
  volumes_->root = AskVolume(root, volumes_->root_device);
}

AttrReader::~AttrReader() = default;

Volume AttrReader::Volumes::Of(int fd, uint64_t device) {
  if (device == root_device) return root;
  {
    absl::MutexLock lock(&mu);
    const auto it = others.find(device);
    if (it != others.end()) return it->second;
  }
  const Volume volume = AskVolume(fd, device);
  absl::MutexLock lock(&mu);
  if (others.size() >= kMaxFileSystems) others.clear();
  others[device] = volume;
  return volume;
}

int AttrReader::ReadReal(int fd, Attr* out) const {
  const Timestamp now = CoarseNow();
  struct statx st {};
  if (const int error = Statx(fd, &st)) return error;
  const uint64_t device = DeviceOf(st);
  const Volume volume = volumes_->Of(fd, device);
  Fill(st, out);
  out->id = MakeId(volume, st, fd);
  const bool own = device == volumes_->root_device;
  out->ino = own ? st.stx_ino : ForeignIno(volume.fsid, st.stx_ino);
  out->racy = IsRacy(out->ctime, now);
  return 0;
}

}  // namespace warmfs::hostd
