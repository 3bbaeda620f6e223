// AttrReader by GetFileInformationByHandleEx.

#include <cstring>
#include <utility>

#include "hostd/attr.h"
#include "hostd/file.h"
#include "hostd/resolve.h"
#include "hostd/win32/aside.h"
#include "hostd/win32/handle.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

constexpr int64_t kTicksPerSecond = 10'000'000;
constexpr int64_t kUnixEpochTicks = 116'444'736'000'000'000;

Timestamp ToTimestamp(int64_t ticks) {
  ticks -= kUnixEpochTicks;
  int64_t sec = ticks / kTicksPerSecond;
  int64_t rest = ticks % kTicksPerSecond;
  if (rest < 0) {
    --sec;
    rest += kTicksPerSecond;
  }
  return {sec, static_cast<uint32_t>(rest * 100)};
}

Timestamp Now() {
  FILETIME now;
  GetSystemTimeAsFileTime(&now);
  return ToTimestamp(static_cast<int64_t>(now.dwHighDateTime) << 32 |
                     now.dwLowDateTime);
}

uint32_t ModeOf(const Kind& kind) {
  if (kind.link) return kS_IFLNK | 0777;
  if (kind.directory) return kS_IFDIR | 0755;
  return kS_IFREG | (kind.read_only ? 0555 : 0755);
}

template <typename Info>
int Ask(int fd, FILE_INFO_BY_HANDLE_CLASS which, Info* out) {
  return GetFileInformationByHandleEx(ToHandle(fd), which, out, sizeof(*out))
             ? 0
             : LastErrno();
}

}  // namespace

struct AttrReader::Volumes {
  uint64_t root = 0;
};

AttrReader::AttrReader(int root, Overlay overlay)
    : overlay_(std::move(overlay)), volumes_(std::make_unique<Volumes>()) {
  ObjectId id;
  if (ReadId(root, &id) == 0) volumes_->root = id.volume;
}

AttrReader::~AttrReader() = default;

int AttrReader::ReadReal(int fd, Attr* out) const {
  const Timestamp now = Now();
  FILE_BASIC_INFO basic{};
  FILE_STANDARD_INFO standard{};
  ObjectId id;
  Kind kind;
  int error = Ask(fd, FileBasicInfo, &basic);
  if (error == 0) error = Ask(fd, FileStandardInfo, &standard);
  if (error == 0) error = ReadId(fd, &id);
  if (error == 0) error = KindOf(fd, &kind);
  if (error != 0) return error;
  out->id = ToFileId(id);
  std::memcpy(&out->ino, id.id, sizeof(out->ino));
  if (id.volume != volumes_->root) out->ino |= uint64_t{1} << 63;
  out->size =
      kind.directory ? 0 : static_cast<uint64_t>(standard.EndOfFile.QuadPart);
  out->blocks_512 =
      static_cast<uint64_t>(standard.AllocationSize.QuadPart + 511) / 512;
  out->rdev = 0;
  out->mode = ModeOf(kind);
  const HostUser user = CurrentHostUser();
  out->uid = user.uid;
  out->gid = user.gid;
  out->nlink = standard.NumberOfLinks;
  if (out->nlink > 0 && (standard.DeletePending || IsAside(fd, id)))
    --out->nlink;
  // What says nothing of the directories in it: 2 would say that there are
  // none.
  if (kind.directory && out->nlink > 0) out->nlink = 1;
  out->atime = ToTimestamp(basic.LastAccessTime.QuadPart);
  out->mtime = ToTimestamp(basic.LastWriteTime.QuadPart);
  out->ctime = ToTimestamp(basic.ChangeTime.QuadPart);
  out->racy = IsRacy(out->ctime, now);
  if (!kind.link) return 0;
  std::string target;
  if (ReadTarget(fd, "", &target) == 0) out->size = target.size();
  return 0;
}

}  // namespace warmfs::hostd
