// Channels of several threads that are ended together: each thread makes its
// own (Member), and whoever ends the threads has all of them interrupted,
// those that are yet to be made as well.
//
// Thread-safe; a Member belongs to its thread, and the group outlives it.

#ifndef WARMFS_RPC_CHANNEL_GROUP_H_
#define WARMFS_RPC_CHANNEL_GROUP_H_

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "rpc/channel.h"
#include "rpc/remote.h"

namespace warmfs::rpc {

class ChannelGroup {
 public:
  explicit ChannelGroup(Remote& remote) : remote_(remote) {}

  class Member {
   public:
    explicit Member(ChannelGroup& group)
        : group_(group), channel_(group.remote_) {
      absl::MutexLock lock(&group_.mu_);
      group_.channels_.insert(&channel_);
      if (group_.interrupted_) channel_.Interrupt();
    }
    ~Member() {
      absl::MutexLock lock(&group_.mu_);
      group_.channels_.erase(&channel_);
    }
    Channel& get() { return channel_; }

   private:
    ChannelGroup& group_;
    Channel channel_;
  };

  void Interrupt() {
    absl::MutexLock lock(&mu_);
    interrupted_ = true;
    for (Channel* channel : channels_) channel->Interrupt();
  }

 private:
  Remote& remote_;
  absl::Mutex mu_;
  absl::flat_hash_set<Channel*> channels_ ABSL_GUARDED_BY(mu_);
  bool interrupted_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_CHANNEL_GROUP_H_
