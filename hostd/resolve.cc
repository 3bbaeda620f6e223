#include "hostd/resolve.h"

#include "schema/linux_abi.h"
#include "schema/ops.h"

namespace warmfs::hostd {

int CheckName(std::string_view name) {
  if (name.size() > kMaxNameBytes) return kENAMETOOLONG;
  if (name.empty() || name == "." || name == "..") return kEINVAL;
  if (name.find('/') != name.npos) return kEINVAL;
  return name.find('\0') != name.npos ? kEINVAL : 0;
}

int CheckPath(std::string_view path) {
  if (path.size() > kMaxPathBytes) return kENAMETOOLONG;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    if (const int error = CheckName(path.substr(0, slash))) return error;
    if (slash == path.npos) return 0;
    path.remove_prefix(slash + 1);
    if (path.empty()) return kEINVAL;  // ends in a slash
  }
  return 0;
}

}  // namespace warmfs::hostd
