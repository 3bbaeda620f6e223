// The one way from a status to an errno.

#include "fuse/errors.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

namespace warmfs::fuse {
namespace {

TEST(ErrorsTest, EveryErrnoComesBackAsItWas) {
  EXPECT_TRUE(ErrnoError(0).ok());
  EXPECT_EQ(ToErrno(absl::OkStatus()), 0);
  for (int error = 1; error < 4096; ++error) {
    const absl::Status status = ErrnoError(error);
    ASSERT_FALSE(status.ok()) << error;
    ASSERT_EQ(ToErrno(status), error);
  }
}

TEST(ErrorsTest, ACopyCarriesItsErrno) {
  const absl::Status status = ErrnoError(ESTALE);
  absl::Status copy = status;
  copy.Update(absl::InternalError("later"));
  EXPECT_EQ(ToErrno(copy), ESTALE);
}

TEST(ErrorsTest, OthersGoByTheirCode) {
  using Code = absl::StatusCode;
  const std::pair<Code, int> table[] = {
      {Code::kNotFound, ENOENT},
      {Code::kAlreadyExists, EEXIST},
      {Code::kPermissionDenied, EACCES},
      {Code::kInvalidArgument, EINVAL},
      {Code::kUnimplemented, ENOSYS},
      {Code::kResourceExhausted, ENOSPC},
      {Code::kUnavailable, EIO},
      {Code::kAborted, EIO},
      {Code::kInternal, EIO},
      {Code::kUnknown, EIO},
      {Code::kDataLoss, EIO},
      {Code::kCancelled, EIO},
      {Code::kDeadlineExceeded, EIO},
      {Code::kFailedPrecondition, EIO},
      {Code::kOutOfRange, EIO},
      {Code::kUnauthenticated, EIO},
  };
  for (const auto& [code, error] : table) {
    EXPECT_EQ(ToErrno(absl::Status(code, "text")), error)
        << absl::StatusCodeToString(code);
  }
}

}  // namespace
}  // namespace warmfs::fuse
