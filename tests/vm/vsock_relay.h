// The host's side of a guest's virtio socket device, in the hybrid scheme of
// Firecracker and Cloud Hypervisor: the guest's connect to port P of CID 2
// arrives at the Unix socket BASE_P; a program of the host connects to BASE,
// says "CONNECT P\n", is answered "OK NUMBER\n", and then speaks with port P of
// the guest.
//
// Everything here is bounded: streams (kMaxStreams; the next is refused),
// callers that have not said their line (kMaxCallers; the next is hung up on),
// resets that the guest has not taken (its packets wait meanwhile).
//
// Belongs to one thread.

#ifndef WARMFS_TESTS_VM_VSOCK_RELAY_H_
#define WARMFS_TESTS_VM_VSOCK_RELAY_H_

#include <poll.h>

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "schema/unique_fd.h"
#include "tests/vm/virtqueue.h"
#include "tests/vm/vsock_stream.h"

namespace warmfs::vm {

class VsockRelay {
 public:
  static constexpr size_t kMaxStreams = 1024;
  static constexpr size_t kMaxCallers = 64;
  static constexpr size_t kMaxResets = 256;

  VsockRelay(std::string base, uint64_t guest_cid)
      : base_(std::move(base)), guest_cid_(guest_cid) {}

  absl::Status Listen();

  // Adds what is to be polled; Polled takes the same part of the list back.
  void AppendTo(std::vector<pollfd>& polled);
  void Polled(const pollfd* polled, size_t count);

  // Takes the guest's packets and gives it what there is for it. True if there
  // may be more to do: a guest that never stops must not keep the sockets from
  // being polled. An error: the guest's queues are nonsense.
  absl::StatusOr<bool> Exchange(Virtqueue& to_guest, Virtqueue& from_guest);

  // The guest, or its driver, is not there any more.
  void Reset();

 private:
  // Guest's port and host's port.
  using Key = std::pair<uint32_t, uint32_t>;
  struct Caller {
    UniqueFd socket;
    std::string line;
  };

  void Accept();
  void Introduce(std::list<Caller>::iterator caller);
  void Call(Caller caller, uint32_t port);

  absl::StatusOr<bool> TakePackets(Virtqueue& queue);
  absl::StatusOr<bool> TakePacket(Virtqueue& queue);
  void Dispatch(const PacketHeader& packet, std::string_view payload);
  void Begin(const PacketHeader& packet);
  void Refuse(const PacketHeader& packet);
  absl::StatusOr<bool> GivePackets(Virtqueue& queue);
  absl::StatusOr<bool> Give(Virtqueue& queue, VsockStream* stream);

  const std::string base_;
  const uint64_t guest_cid_;
  UniqueFd listener_;
  std::list<Caller> callers_;
  std::map<Key, VsockStream> streams_;
  std::deque<PacketHeader> resets_;
  uint32_t next_host_port_ = 1 << 30;
};

}  // namespace warmfs::vm

#endif  // WARMFS_TESTS_VM_VSOCK_RELAY_H_
