#include "tests/fuse/lease_fixture.h"

#include "absl/synchronization/notification.h"

namespace warmfs::fuse {

LeaseTest::LeaseTest(rpc::Host::Options host)
    : FileSystemTest(std::move(host)) {
  Remount();
}

void LeaseTest::Remount(bool list_many) {
  FileSystemOptions options = Options();
  options.leases = true;
  options.list_many = list_many;
  Mount(dir_ / "cache", options);
  applier_ = std::make_unique<Applier>(*fs_, nullptr);
  cursor_ = cache_->cursor();
  TakeIn();
}

std::vector<std::string> LeaseTest::TakeIn() {
  std::vector<std::string> raised;
  const Reply fence = channel_->Fence({});
  EXPECT_EQ(fence.error, 0);
  new_epoch_ = false;
  do {
    NextReply reply = channel_->Next({.after = cursor_});
    EXPECT_EQ(reply.error, 0);
    if (reply.error != 0) return raised;
    cursor_ = reply.pos;
    if (reply.new_epoch) {
      new_epoch_ = true;
      fs_->FollowJournal(cursor_.journal_id, /*moved_on=*/true);
      cache::Edit edit;
      edit.SetCursor(cursor_);
      cache_->Commit(std::move(edit));
    }
    for (const Injection& in :
         applier_->Apply(cursor_.journal_id, reply.events)) {
      raised.push_back(Text(in));
    }
  } while (cursor_.journal_id == fence.pos.journal_id &&
           cursor_.sequence < fence.pos.sequence);
  fs_->FollowJournal(cursor_.journal_id);
  return raised;
}

std::vector<std::string> LeaseTest::TakeRaised() {
  std::vector<std::string> out;
  for (const Injection& in : TakeInjections()) out.push_back(Text(in));
  return out;
}

std::string LeaseTest::Text(const Injection& in) const {
  static constexpr const char* kKinds[] = {"CREATE", "LINK",     "DELETE",
                                           "RENAME", "MOVED_TO", "MOVED_FROM",
                                           "MODIFY", "ATTRIB",   "CLOSE_WRITE"};
  const std::string text =
      std::string(kKinds[static_cast<int>(in.kind)]) + " " + in.name;
  return in.to_name.empty() ? text : text + " > " + in.to_name;
}

HeldQuestion::HeldQuestion(rpc::Proxy& proxy, const rpc::RemoteOptions& options,
                           std::function<void(rpc::Channel&)> ask)
    : proxy_(proxy), remote_(*rpc::Remote::Create(options)) {
  absl::Notification open;
  absl::Notification go_on;
  thread_ = std::thread([this, ask, &open, &go_on] {
    rpc::Channel channel(*remote_);
    EXPECT_TRUE(channel.Open().ok());
    // Nothing of the opening is to be on its way any more.
    EXPECT_EQ(channel.GetAttr({"", remote_->info()->root}).error, 0);
    open.Notify();
    go_on.WaitForNotification();
    ask(channel);
  });
  open.WaitForNotification();
  proxy_.HoldReplies();
  go_on.Notify();
  proxy_.AwaitHeld();
}

void HeldQuestion::Finish() {
  proxy_.Release();
  thread_.join();
}

}  // namespace warmfs::fuse
