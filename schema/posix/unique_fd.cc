#include "schema/unique_fd.h"

#include <unistd.h>

namespace warmfs {

void UniqueFd::Close(int fd) { close(fd); }

}  // namespace warmfs
