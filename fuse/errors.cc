#include "fuse/errors.h"

#include <cerrno>
#include <cstdlib>
#include <string>

#include "absl/strings/cord.h"

namespace warmfs::fuse {
namespace {

constexpr char kPayload[] = "warmfs/errno";

int FromCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kNotFound:
      return ENOENT;
    case absl::StatusCode::kAlreadyExists:
      return EEXIST;
    case absl::StatusCode::kPermissionDenied:
      return EACCES;
    case absl::StatusCode::kInvalidArgument:
      return EINVAL;
    case absl::StatusCode::kUnimplemented:
      return ENOSYS;
    case absl::StatusCode::kResourceExhausted:
      return ENOSPC;
    default:
      return EIO;
  }
}

}  // namespace

absl::Status ErrnoError(int error) {
  if (error == 0) return absl::OkStatus();
  absl::Status status = absl::ErrnoToStatus(error, "");
  status.SetPayload(kPayload, absl::Cord(std::to_string(error)));
  return status;
}

int ToErrno(const absl::Status& status) {
  if (status.ok()) return 0;
  if (auto payload = status.GetPayload(kPayload)) {
    return std::atoi(std::string(*payload).c_str());
  }
  return FromCode(status.code());
}

}  // namespace warmfs::fuse
