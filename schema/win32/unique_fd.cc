#include "schema/unique_fd.h"

#include <windows.h>

namespace warmfs {

void UniqueFd::Close(int fd) {
  CloseHandle(reinterpret_cast<HANDLE>(static_cast<intptr_t>(fd)));
}

}  // namespace warmfs
