// vsock-backend QEMU_SOCKET BASE [CID]: a vhost-user-vsock device for one VM.
//
// QEMU connects to QEMU_SOCKET (-chardev socket,id=v,path=QEMU_SOCKET -device
// vhost-user-vsock-pci,chardev=v); the host's side is BASE and BASE_PORT, see
// vsock_relay.h. When QEMU ends, all streams end, and the next QEMU is waited
// for. Runs until it is killed.

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rpc/socket.h"
#include "tests/vm/vhost_user.h"
#include "tests/vm/vsock_relay.h"

namespace warmfs::vm {
namespace {

constexpr char kDefaultGuestCid[] = "3";

class Backend {
 public:
  Backend(UniqueFd listener, VsockRelay* relay, uint64_t guest_cid)
      : listener_(std::move(listener)), relay_(relay), guest_cid_(guest_cid) {}

  // Until poll fails.
  absl::Status Run() {
    while (true) {
      absl::Status turn = Turn();
      if (!turn.ok()) return turn;
    }
  }

 private:
  absl::Status Turn() {
    std::vector<pollfd> polled = {
        {qemu_ ? qemu_->socket() : listener_.get(), POLLIN, 0}};
    for (size_t i = 0; i < VhostUser::kQueues; ++i) {
      polled.push_back({qemu_ ? qemu_->kick(i) : -1, POLLIN, 0});
    }
    const size_t fixed = polled.size();
    relay_->AppendTo(polled);
    if (poll(polled.data(), polled.size(), busy_ ? 0 : -1) < 0) {
      return errno == EINTR ? absl::OkStatus()
                            : absl::ErrnoToStatus(errno, "poll");
    }
    relay_->Polled(polled.data() + fixed, polled.size() - fixed);
    for (size_t i = 0; i < VhostUser::kQueues; ++i) {
      if (polled[1 + i].revents != 0) qemu_->ClearKick(i);
    }
    if (polled[0].revents != 0) {
      if (qemu_) {
        Note(qemu_->HandleMessage());
      } else {
        Accept();
      }
    }
    Exchange();
    return absl::OkStatus();
  }

  void Accept() {
    UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket) qemu_.emplace(std::move(socket), guest_cid_);
  }

  void Exchange() {
    const bool running = qemu_ && qemu_->running();
    // A guest that was rebooted knows of no stream.
    if (was_running_ && !running) relay_->Reset();
    was_running_ = running;
    busy_ = false;
    if (!running) return;
    absl::StatusOr<bool> more = relay_->Exchange(
        qemu_->queue(VhostUser::kToGuest), qemu_->queue(VhostUser::kFromGuest));
    if (!more.ok()) return Note(more.status());
    busy_ = *more;
    qemu_->Interrupt();
  }

  // A device that is broken is gone for the guest; QEMU tells of it.
  void Note(const absl::Status& status) {
    if (status.ok()) return;
    if (!absl::IsUnavailable(status)) {
      fmt::print(stderr, "vsock-backend: {}\n", std::string(status.message()));
    }
    qemu_.reset();
    relay_->Reset();
    was_running_ = false;
    busy_ = false;
  }

  const UniqueFd listener_;
  VsockRelay* const relay_;
  const uint64_t guest_cid_;
  std::optional<VhostUser> qemu_;
  bool was_running_ = false;
  bool busy_ = false;  // there is more to exchange
};

int Fail(const absl::Status& status) {
  fmt::print(stderr, "vsock-backend: {}\n", std::string(status.message()));
  return 1;
}

int Main(int argc, char** argv) {
  uint64_t cid = 0;
  const char* const text = argc == 4 ? argv[3] : kDefaultGuestCid;
  const char* const end = text + std::strlen(text);
  const auto parsed = std::from_chars(text, end, cid);
  if (argc < 3 || argc > 4 || parsed.ptr != end || cid <= kHostCid ||
      cid >= UINT32_MAX) {
    fmt::print(stderr,
               "usage: vsock-backend QEMU_SOCKET BASE [CID], with CID "
               "3 or more\n");
    return 64;
  }
  rpc::Endpoint endpoint;
  endpoint.kind = rpc::Endpoint::Kind::kUnix;
  endpoint.path = argv[1];
  auto listener = rpc::ListenSocket(endpoint);
  if (!listener.ok()) return Fail(listener.status());
  VsockRelay relay(argv[2], cid);
  if (absl::Status listening = relay.Listen(); !listening.ok()) {
    return Fail(listening);
  }
  return Fail(Backend(*std::move(listener), &relay, cid).Run());
}

}  // namespace
}  // namespace warmfs::vm

int main(int argc, char** argv) { return warmfs::vm::Main(argc, argv); }
