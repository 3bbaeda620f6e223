#include "hostd/entry_state.h"

#include "hostd/file.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

constexpr int kLookAttempts = 2;

}  // namespace

EntryState LookAtEntry(const AttrReader& attrs, int dir_fd, const Place& place,
                       CoverEntry cover, bool* uncovered, UniqueFd* pin) {
  const std::string& name = place.second;
  // A link that is replaced between the two calls is looked at once more.
  for (int i = 0; i < kLookAttempts; ++i) {
    EntryState state;
    const int error = attrs.ReadEntry(dir_fd, name, &state.attr, pin);
    // A directory that may not be searched any more tells nothing true.
    if (error != 0 && error != kENOENT) *uncovered = true;
    if (error != 0) return {};
    const auto covered = cover(dir_fd, place, &state.attr);
    if (covered == Covered::kGone) return {};
    if (covered == Covered::kRefused) *uncovered = true;
    if (!state.attr.IsSymlink()) return state;
    if (ReadTarget(dir_fd, name, &state.target) == 0) return state;
  }
  return {};
}

}  // namespace warmfs::hostd
