// vsock-backend SOCKET BASE [CID]: a vhost-user-vsock device for one guest.
//
// QEMU connects to SOCKET (-chardev socket,id=v,path=SOCKET -device
// vhost-user-vsock-pci,chardev=v), or user-mode-linux does
// (virtio_uml.device=SOCKET:19); the host's side is BASE and BASE_PORT, see
// vsock_relay.h. When the machine ends, all streams end, and the next one is
// waited for. Runs until it is killed.

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <csignal>
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
        {machine_ ? machine_->socket() : listener_.get(), POLLIN, 0}};
    for (size_t i = 0; i < VhostUser::kUsedQueues; ++i) {
      polled.push_back({machine_ ? machine_->kick(i) : -1, POLLIN, 0});
    }
    const size_t fixed = polled.size();
    relay_->AppendTo(polled);
    if (poll(polled.data(), polled.size(), busy_ ? 0 : -1) < 0) {
      return errno == EINTR ? absl::OkStatus()
                            : absl::ErrnoToStatus(errno, "poll");
    }
    relay_->Polled(polled.data() + fixed, polled.size() - fixed);
    for (size_t i = 0; i < VhostUser::kUsedQueues; ++i) {
      if (polled[1 + i].revents != 0) machine_->ClearKick(i);
    }
    if (polled[0].revents != 0) {
      if (machine_) {
        Note(machine_->HandleMessage());
      } else {
        Accept();
      }
    }
    Exchange();
    return absl::OkStatus();
  }

  void Accept() {
    UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket) machine_.emplace(std::move(socket), guest_cid_);
  }

  void Exchange() {
    const bool running = machine_ && machine_->running();
    // A guest that was rebooted knows of no stream.
    if (was_running_ && !running) relay_->Reset();
    was_running_ = running;
    busy_ = false;
    if (!running) return;
    absl::StatusOr<bool> more =
        relay_->Exchange(machine_->queue(VhostUser::kToGuest),
                         machine_->queue(VhostUser::kFromGuest));
    if (!more.ok()) return Note(more.status());
    busy_ = *more;
    machine_->Interrupt();
  }

  // A device that is broken is gone for the guest, which is told of it.
  void Note(const absl::Status& status) {
    if (status.ok()) return;
    if (!absl::IsUnavailable(status)) {
      fmt::print(stderr, "vsock-backend: {}\n", std::string(status.message()));
    }
    machine_.reset();
    relay_->Reset();
    was_running_ = false;
    busy_ = false;
  }

  const UniqueFd listener_;
  VsockRelay* const relay_;
  const uint64_t guest_cid_;
  std::optional<VhostUser> machine_;
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
               "usage: vsock-backend SOCKET BASE [CID], with CID "
               "3 or more\n");
    return 64;
  }
  // user-mode-linux is interrupted through sockets, which end with it.
  signal(SIGPIPE, SIG_IGN);
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
