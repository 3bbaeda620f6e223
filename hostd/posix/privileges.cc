#include "hostd/privileges.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

namespace warmfs::hostd {
namespace {

uint64_t EffectiveCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, data) != 0) return 0;
  return uint64_t{data[1].effective} << 32 | data[0].effective;
}

// In a user namespace, capabilities reach only the ids that are mapped.
bool MapsAllIds() {
  uint64_t inside = 0, outside = 0, count = 0;
  std::ifstream map("/proc/self/uid_map");
  return map >> inside >> outside >> count && inside == 0 && outside == 0 &&
         count == UINT32_MAX;
}

}  // namespace

Privileges CurrentPrivileges() {
  const uint64_t held = EffectiveCapabilities();
  const auto has = [held](int cap) { return (held >> cap & 1) != 0; };
  return {.owns_all = has(CAP_CHOWN) && has(CAP_FOWNER) && MapsAllIds(),
          .opens_all = has(CAP_DAC_OVERRIDE)};
}

}  // namespace warmfs::hostd
