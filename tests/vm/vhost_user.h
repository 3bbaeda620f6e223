// The machine's side of the device: the messages of vhost-user, by which QEMU,
// or the kernel of user-mode-linux, hands over the guest's memory, the queues
// and their event descriptors.
//
// Offered is what a vsock device needs and no more: no indirect descriptors,
// no event index, no log of dirty pages.
//
// Belongs to one thread.

#ifndef WARMFS_TESTS_VM_VHOST_USER_H_
#define WARMFS_TESTS_VM_VHOST_USER_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "schema/unique_fd.h"
#include "tests/vm/guest_memory.h"
#include "tests/vm/virtqueue.h"

namespace warmfs::vm {

class VhostUser {
 public:
  // Packets to the guest, and from it. The third queue of the device is for
  // events, of which there are none: QEMU keeps it to itself.
  static constexpr size_t kToGuest = 0;
  static constexpr size_t kFromGuest = 1;
  static constexpr size_t kUsedQueues = 2;

  VhostUser(UniqueFd machine, uint64_t guest_cid)
      : machine_(std::move(machine)), guest_cid_(guest_cid) {}

  int socket() const { return machine_.get(); }
  // Reads and answers one message. An error: the machine has gone, or says
  // nonsense.
  absl::Status HandleMessage();

  // The guest's driver is there.
  bool running() const;
  Virtqueue& queue(size_t index) { return queues_[index].ring; }
  // -1 if there is none.
  int kick(size_t index) const { return queues_[index].kick.get(); }
  void ClearKick(size_t index);
  // Interrupts the guest if it wants to be for what was given back to it.
  void Interrupt();

 private:
  struct Message;
  struct Queue {
    Virtqueue ring;
    uint32_t size = 0;
    QueueAddresses addresses;
    uint16_t base = 0;
    bool enabled = true;
    UniqueFd kick;
    UniqueFd call;
  };

  absl::StatusOr<Message> Receive();
  absl::Status Reply(const Message& request, const std::string& payload);
  absl::Status Handle(Message& message);
  absl::Status SetMemory(Message& message);
  absl::Status Configuration(const Message& message);
  absl::Status HandleQueue(Message& message);
  absl::Status StopQueue(const Message& message, Queue& queue);
  // Starts it if all is there that it needs.
  absl::Status TryStart(Queue& queue);

  UniqueFd machine_;
  UniqueFd requests_;  // ours to it: none are made, but closed it is an error
  const uint64_t guest_cid_;
  GuestMemory memory_;
  std::array<Queue, kUsedQueues + 1> queues_;
};

}  // namespace warmfs::vm

#endif  // WARMFS_TESTS_VM_VHOST_USER_H_
