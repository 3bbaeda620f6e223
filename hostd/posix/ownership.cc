#include "hostd/ownership.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostd/posix/proc_path.h"

namespace warmfs::hostd {
namespace {

constexpr uint32_t kNoId = UINT32_MAX;
constexpr uint32_t kSetIdBits = S_ISUID | S_ISGID;

int Chown(int fd, const OwnershipRequest& request) {
  if (!request.uid && !request.gid) return 0;
  const int result = fchownat(fd, "", request.uid.value_or(kNoId),
                              request.gid.value_or(kNoId), AT_EMPTY_PATH);
  if (result == 0) return 0;
  return errno == EINVAL ? EPERM : errno;  // an id that this namespace lacks
}

int Chmod(int fd, const OwnershipRequest& request) {
  if (!request.mode) return 0;
  return chmod(ProcPath(fd).c_str(), *request.mode) == 0 ? 0 : errno;
}

// What the client is to see from now on. A chown takes the set-id bits away,
// from the host's object and so from what is seen of it.
OwnerMode Wanted(const OwnershipRequest& request, const Attr& seen,
                 const Attr& before, const Attr& after) {
  OwnerMode wanted = OwnerMode::Of(seen);
  wanted.mode &= ~(before.mode & ~after.mode & kSetIdBits);
  wanted.uid = request.uid.value_or(wanted.uid);
  wanted.gid = request.gid.value_or(wanted.gid);
  wanted.mode = request.mode.value_or(wanted.mode);
  return wanted;
}

// An overlay can be read back only from an object that may be read. So the
// host's object keeps that right, and the mode without it is overlaid as well.
int KeepReadable(const AttrReader& attrs, int fd, Attr* real) {
  if ((real->mode & S_IRUSR) != 0 || real->uid != geteuid()) return 0;
  OwnershipRequest readable;
  readable.mode = (real->mode & 07777) | S_IRUSR;
  if (const int error = Chmod(fd, readable)) return error;
  return attrs.ReadReal(fd, real);
}

}  // namespace

int ChangeOwnership(const AttrReader& attrs, int fd,
                    const OwnershipRequest& request) {
  if (request.uid == kNoId || request.gid == kNoId) return EINVAL;
  Attr seen, before, after;
  if (const int error = attrs.Read(fd, &seen)) return error;
  if (const int error = attrs.ReadReal(fd, &before)) return error;
  if (seen.IsSymlink() && request.mode) return EOPNOTSUPP;
  const int chown_error = Chown(fd, request);
  if (chown_error != 0 && chown_error != EPERM) return chown_error;
  if (chown_error != 0 && !attrs.overlay().Carries(before)) return chown_error;
  const int chmod_error = Chmod(fd, request);
  if (chmod_error != 0 && chmod_error != EPERM) return chmod_error;
  if (!attrs.overlay().Carries(before)) return chmod_error;

  // Whatever was refused, or was overlaid before, is overlaid now.
  if (const int error = attrs.ReadReal(fd, &after)) return error;
  const OwnerMode wanted = Wanted(request, seen, before, after);
  if (wanted != OwnerMode::Of(after)) {
    if (const int error = KeepReadable(attrs, fd, &after)) return error;
    return attrs.overlay().Store(fd, wanted, after);
  }
  if (OwnerMode::Of(seen) != OwnerMode::Of(before)) {
    attrs.overlay().Clear(fd, after);
  }
  return 0;
}

}  // namespace warmfs::hostd
