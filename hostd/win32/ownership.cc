// Owner and mode on Windows: in the overlay, but for the right to write of a
// file that the host has marked read-only, which is taken off.

#include "hostd/ownership.h"

#include "hostd/privileges.h"
#include "hostd/win32/handle.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

constexpr uint32_t kNoId = UINT32_MAX;
constexpr uint32_t kOwnerMayWrite = 0200;

int ClearReadOnly(int fd) {
  UniqueFd opened;
  const int error =
      OpenRelative(fd, L"", {.access = FILE_WRITE_ATTRIBUTES}, &opened);
  if (error != 0) return error;
  FILE_BASIC_INFO info{};
  info.FileAttributes = FILE_ATTRIBUTE_NORMAL;
  return SetFileInformationByHandle(ToHandle(opened.get()), FileBasicInfo,
                                    &info, sizeof(info))
             ? 0
             : LastErrno();
}

}  // namespace

// Everything is overlaid, and hostd opens what the host lets it open.
Privileges CurrentPrivileges() {
  return {.owns_all = false, .opens_all = true};
}

int ChangeOwnership(const AttrReader& attrs, int fd,
                    const OwnershipRequest& request) {
  if (request.uid == kNoId || request.gid == kNoId) return kEINVAL;
  Attr seen, real;
  if (const int error = attrs.Read(fd, &seen)) return error;
  if (seen.IsSymlink()) return request.mode ? kEOPNOTSUPP : kEPERM;
  if (const int error = attrs.ReadReal(fd, &real)) return error;
  OwnerMode wanted = OwnerMode::Of(seen);
  wanted.uid = request.uid.value_or(wanted.uid);
  wanted.gid = request.gid.value_or(wanted.gid);
  wanted.mode = request.mode.value_or(wanted.mode);
  const bool blocked = real.IsRegular() && (real.mode & kOwnerMayWrite) == 0;
  if (blocked && (wanted.mode & kOwnerMayWrite) != 0) {
    if (const int error = ClearReadOnly(fd)) return error;
    if (const int error = attrs.ReadReal(fd, &real)) return error;
  }
  if (wanted == OwnerMode::Of(real)) {
    attrs.overlay().Clear(fd, real);
    return 0;
  }
  return attrs.overlay().Store(fd, wanted, real);
}

}  // namespace warmfs::hostd
