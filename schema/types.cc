#include "schema/types.h"

#include <fmt/format.h>

namespace warmfs {

std::string FileId::ToString() const {
  return fmt::format("{:016x}{:016x}", hi, lo);
}

}  // namespace warmfs
