#include "tests/vm/vhost_user.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace warmfs::vm {
namespace {

// QEMU's docs/interop/vhost-user.rst.
enum Request : uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kResetOwner = 4,
  kSetMemTable = 5,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kSetVringErr = 14,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kGetQueueNum = 17,
  kSetVringEnable = 18,
  kSetBackendRequestFd = 21,
  kGetConfig = 24,
};

constexpr uint64_t kVersion1 = 1ull << 32;
constexpr uint64_t kProtocolFeatures = 1ull << 30;
constexpr uint64_t kProtocolMultiQueue = 1ull << 0;
// A device must offer this to be able to interrupt user-mode-linux 6.1.
constexpr uint64_t kProtocolBackendRequests = 1ull << 5;
constexpr uint64_t kProtocolConfig = 1ull << 9;

constexpr uint32_t kFlagVersion = 1;
constexpr uint32_t kFlagReply = 4;
constexpr size_t kMaxDescriptors = 8;
constexpr uint32_t kMaxPayloadBytes = 4096;

struct Head {
  uint32_t request;
  uint32_t flags;
  uint32_t size_bytes;
};

struct VringState {
  uint32_t index;
  uint32_t number;
};

struct VringAddresses {
  uint32_t index;
  uint32_t flags;
  uint64_t descriptors;
  uint64_t used;
  uint64_t available;
  uint64_t log;
};

struct WireRegion {
  uint64_t guest_address;
  uint64_t size_bytes;
  uint64_t user_address;
  uint64_t file_offset;
};

struct ConfigHead {
  uint32_t offset;
  uint32_t size_bytes;
  uint32_t flags;
};

template <typename T>
absl::StatusOr<T> Parse(std::string_view payload) {
  T value;
  if (payload.size() < sizeof(T)) {
    return absl::InvalidArgumentError("vhost-user: a message is too short");
  }
  std::memcpy(&value, payload.data(), sizeof(T));
  return value;
}

template <typename T>
std::string Bytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

absl::Status ReadAll(int fd, void* to, size_t bytes) {
  const ssize_t n = recv(fd, to, bytes, MSG_WAITALL);
  if (n == static_cast<ssize_t>(bytes)) return absl::OkStatus();
  return absl::UnavailableError("vhost-user: the machine has gone");
}

std::vector<UniqueFd> TakeDescriptors(msghdr& message) {
  std::vector<UniqueFd> descriptors;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
      descriptors.emplace_back(fd);
    }
  }
  return descriptors;
}

}  // namespace

struct VhostUser::Message {
  Head head;
  std::string payload;
  std::vector<UniqueFd> descriptors;

  UniqueFd TakeDescriptor() {
    return descriptors.empty() ? UniqueFd() : std::move(descriptors.front());
  }
};

absl::StatusOr<VhostUser::Message> VhostUser::Receive() {
  Message message = {};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))];
  iovec part = {&message.head, sizeof(message.head)};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  const ssize_t n =
      recvmsg(machine_.get(), &header, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  if (n != static_cast<ssize_t>(sizeof(message.head))) {
    return absl::UnavailableError("vhost-user: the machine has gone");
  }
  message.descriptors = TakeDescriptors(header);
  if (message.head.size_bytes > kMaxPayloadBytes) {
    return absl::InvalidArgumentError("vhost-user: a message is too long");
  }
  message.payload.resize(message.head.size_bytes);
  if (message.payload.empty()) return message;
  absl::Status read =
      ReadAll(machine_.get(), message.payload.data(), message.payload.size());
  if (!read.ok()) return read;
  return message;
}

absl::Status VhostUser::Reply(const Message& request,
                              const std::string& payload) {
  const Head head = {request.head.request, kFlagVersion | kFlagReply,
                     static_cast<uint32_t>(payload.size())};
  const std::string bytes = Bytes(head) + payload;
  const ssize_t n =
      send(machine_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (n == static_cast<ssize_t>(bytes.size())) return absl::OkStatus();
  return absl::UnavailableError("vhost-user: the machine has gone");
}

absl::Status VhostUser::HandleMessage() {
  absl::StatusOr<Message> message = Receive();
  return message.ok() ? Handle(*message) : message.status();
}

absl::Status VhostUser::Handle(Message& message) {
  switch (message.head.request) {
    case kGetFeatures:
      return Reply(message, Bytes(kVersion1 | kProtocolFeatures));
    case kGetProtocolFeatures:
      return Reply(message, Bytes(kProtocolMultiQueue | kProtocolConfig |
                                  kProtocolBackendRequests));
    case kGetQueueNum:
      return Reply(message, Bytes<uint64_t>(kUsedQueues));
    case kSetFeatures:
    case kSetProtocolFeatures:
    case kSetOwner:
    case kResetOwner:
      return absl::OkStatus();
    case kSetBackendRequestFd:
      requests_ = message.TakeDescriptor();
      return absl::OkStatus();
    case kSetMemTable:
      return SetMemory(message);
    case kGetConfig:
      return Configuration(message);
    default:
      return HandleQueue(message);
  }
}

absl::Status VhostUser::SetMemory(Message& message) {
  absl::StatusOr<uint32_t> count = Parse<uint32_t>(message.payload);
  if (!count.ok()) return count.status();
  // A count, four bytes of nothing, and the regions.
  const std::string_view rest = std::string_view(message.payload).substr(4);
  if (*count > kMaxDescriptors || *count != message.descriptors.size() ||
      rest.size() < 4 + *count * sizeof(WireRegion)) {
    return absl::InvalidArgumentError(
        "vhost-user: a memory table with other "
        "regions than it says");
  }
  std::vector<MemoryRegion> regions;
  for (size_t i = 0; i < *count; ++i) {
    auto r = Parse<WireRegion>(rest.substr(4 + i * sizeof(WireRegion)));
    regions.push_back({r->guest_address, r->size_bytes, r->user_address,
                       r->file_offset, std::move(message.descriptors[i])});
  }
  // The rings' pointers are into what is unmapped now.
  for (Queue& queue : queues_) {
    if (queue.ring.started()) queue.base = queue.ring.base();
    queue.ring.Stop();
  }
  absl::Status mapped = memory_.Map(std::move(regions));
  for (Queue& queue : queues_) {
    if (mapped.ok()) mapped = TryStart(queue);
  }
  return mapped;
}

absl::Status VhostUser::Configuration(const Message& message) {
  absl::StatusOr<ConfigHead> head = Parse<ConfigHead>(message.payload);
  if (!head.ok()) return head.status();
  // All there is of it is the guest's CID.
  std::string answer = message.payload;
  const std::string all = Bytes(guest_cid_);
  for (size_t i = sizeof(ConfigHead); i < answer.size(); ++i) {
    const uint64_t at = head->offset + (i - sizeof(ConfigHead));
    answer[i] = at < all.size() ? all[at] : 0;
  }
  return Reply(message, answer);
}

absl::Status VhostUser::HandleQueue(Message& message) {
  absl::StatusOr<VringState> state = Parse<VringState>(message.payload);
  if (!state.ok()) return state.status();
  const uint32_t request = message.head.request;
  const bool with_descriptor = request == kSetVringKick ||
                               request == kSetVringCall ||
                               request == kSetVringErr;
  // With a descriptor there are flags above the index.
  const uint32_t index = with_descriptor ? state->index & 0xff : state->index;
  if (index >= queues_.size()) {
    return absl::InvalidArgumentError("vhost-user: no such queue");
  }
  Queue& queue = queues_[index];
  switch (request) {
    case kSetVringNum:
      queue.size = state->number;
      return absl::OkStatus();
    case kSetVringBase:
      queue.base = static_cast<uint16_t>(state->number);
      return absl::OkStatus();
    case kSetVringAddr: {
      auto addresses = Parse<VringAddresses>(message.payload);
      if (!addresses.ok()) return addresses.status();
      queue.addresses = {addresses->descriptors, addresses->used,
                         addresses->available};
      return absl::OkStatus();
    }
    case kGetVringBase:
      return StopQueue(message, queue);
    case kSetVringKick:
      queue.kick = message.TakeDescriptor();
      return TryStart(queue);
    case kSetVringCall:
      queue.call = message.TakeDescriptor();
      return absl::OkStatus();
    case kSetVringErr:
      return absl::OkStatus();
    case kSetVringEnable:
      queue.enabled = state->number != 0;
      return absl::OkStatus();
    default:
      return absl::UnimplementedError("vhost-user: request " +
                                      std::to_string(request));
  }
}

absl::Status VhostUser::StopQueue(const Message& message, Queue& queue) {
  const auto index = static_cast<uint32_t>(&queue - queues_.data());
  if (queue.ring.started()) queue.base = queue.ring.base();
  queue.ring.Stop();
  queue.kick.Reset();
  return Reply(message, Bytes(VringState{index, queue.base}));
}

absl::Status VhostUser::TryStart(Queue& queue) {
  if (!queue.kick || queue.size == 0) return absl::OkStatus();
  return queue.ring.Start(&memory_, queue.size, queue.addresses, queue.base);
}

bool VhostUser::running() const {
  const auto end = queues_.begin() + kUsedQueues;
  return std::all_of(queues_.begin(), end, [](const Queue& queue) {
    return queue.ring.started() && queue.enabled;
  });
}

void VhostUser::ClearKick(size_t index) {
  // Whatever the count: all that is in the queue is looked at.
  eventfd_t count;
  eventfd_read(queues_[index].kick.get(), &count);
}

void VhostUser::Interrupt() {
  for (Queue& queue : queues_) {
    if (queue.ring.started() && queue.ring.TakeInterrupt() && queue.call) {
      eventfd_write(queue.call.get(), 1);
    }
  }
}

}  // namespace warmfs::vm
