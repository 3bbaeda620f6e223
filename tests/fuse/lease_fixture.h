// A file system that follows a real host's journal, step by step: the test says
// when events are taken in. What would be raised is collected.

#ifndef WARMFS_TESTS_FUSE_LEASE_FIXTURE_H_
#define WARMFS_TESTS_FUSE_LEASE_FIXTURE_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fuse/applier.h"
#include "tests/fuse/fs_fixture.h"
#include "tests/rpc/proxy.h"

namespace warmfs::fuse {

class LeaseTest : public FileSystemTest {
 protected:
  explicit LeaseTest(rpc::Host::Options host = {});

  // Anew, with what the cache has kept; follows from where it was.
  void Remount(bool list_many = false);
  // Takes in all that has happened on the host before the call; what it raises,
  // as "KIND name" or "KIND name > name".
  std::vector<std::string> TakeIn();
  // What differences in listings have raised since the last time.
  std::vector<std::string> TakeRaised();
  uint64_t AllCalls() const { return remote_->stats().TotalCalls(); }
  // Calls but for those of the journal.
  uint64_t Work() const {
    return AllCalls() - Calls(Method::kNext) - Calls(Method::kFence);
  }

  JournalPos cursor_;
  std::unique_ptr<Applier> applier_;
  bool new_epoch_ = false;  // seen by TakeIn

 private:
  std::string Text(const Injection& in) const;
};

// A thread with a connection of its own, through a proxy, whose question is
// answered by the host, and the answer arrives when it is let go.
class HeldQuestion {
 public:
  HeldQuestion(rpc::Proxy& proxy, const rpc::RemoteOptions& options,
               std::function<void(rpc::Channel&)> ask);
  void Finish();
  uint64_t Calls(Method m) const { return remote_->stats().of(m).calls; }

 private:
  rpc::Proxy& proxy_;
  std::unique_ptr<rpc::Remote> remote_;
  std::thread thread_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_TESTS_FUSE_LEASE_FIXTURE_H_
