#include "rpc/interruption.h"

#include <fcntl.h>
#include <sys/socket.h>

namespace warmfs::rpc {

void Interruption::Interrupt() {
  absl::MutexLock lock(&mu_);
  interrupted_ = true;
  if (socket_) shutdown(socket_.get(), SHUT_RDWR);
}

bool Interruption::interrupted() const {
  absl::MutexLock lock(&mu_);
  return interrupted_;
}

bool Interruption::Guard(int socket) {
  absl::MutexLock lock(&mu_);
  if (!interrupted_) socket_ = UniqueFd(fcntl(socket, F_DUPFD_CLOEXEC, 0));
  return !interrupted_;
}

void Interruption::Unguard() {
  absl::MutexLock lock(&mu_);
  socket_ = UniqueFd();
}

void Interruption::SleepFor(absl::Duration duration) const {
  absl::MutexLock lock(&mu_);
  mu_.AwaitWithTimeout(absl::Condition(&interrupted_), duration);
}

}  // namespace warmfs::rpc
