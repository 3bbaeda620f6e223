// What a name stands for at the time of a look: what events carry.

#ifndef WARMFS_HOSTD_ENTRY_STATE_H_
#define WARMFS_HOSTD_ENTRY_STATE_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "hostd/attr.h"
#include "hostd/watcher.h"

namespace warmfs::hostd {

struct EntryState {
  Attr attr;  // id null: nothing is there
  std::string target;
};

// Watcher::Cover, or the part of a watcher that has it.
using CoverEntry =
    absl::FunctionRef<Covered(int dir_fd, const Place& place, Attr* attr)>;

// Looks at the entry, and has it covered. `*uncovered` is set if that was
// refused, or if what is there could not be told; otherwise it is left. `pin`:
// what was looked at.
EntryState LookAtEntry(const AttrReader& attrs, int dir_fd, const Place& place,
                       CoverEntry cover, bool* uncovered,
                       UniqueFd* pin = nullptr);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_ENTRY_STATE_H_
