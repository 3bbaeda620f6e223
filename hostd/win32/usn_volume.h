// The USN journal of the volume that an export is on, as Windows has it.

#ifndef WARMFS_HOSTD_WIN32_USN_VOLUME_H_
#define WARMFS_HOSTD_WIN32_USN_VOLUME_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "hostd/usn_source.h"

namespace warmfs::hostd {

// `root`: the export's directory, which outlives it. The volume is opened with
// as few rights as will do. An error says why there is no journal. `cursor` as
// UsnSource::Create has it.
absl::StatusOr<std::unique_ptr<UsnSource>> OpenUsnSource(
    int root, const std::string& cursor = "");

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_WIN32_USN_VOLUME_H_
