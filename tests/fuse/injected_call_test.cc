// Which names the kernel is told to drop around a call of the injector's.

#include "fuse/injected_call.h"

#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "tests/fuse/lease_fixture.h"

namespace warmfs::fuse {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Dropped = std::set<std::pair<NodeId, std::string>>;

class InjectedCallTest : public LeaseTest {
 protected:
  InjectedCallTest() {
    std::filesystem::create_directory(host_ / "from");
    std::filesystem::create_directory(host_ / "to");
    host_.Write("from/f", "theirs");
    from_ = Find("from");
    to_ = Find("to");
    object_ = GetAttr(Find("from/f"));
    // What the host has done, and the client has taken in.
    std::filesystem::rename(host_ / "from/f", host_ / "to/g");
    TakeIn();
  }
  InjectedCall Move() {
    return InjectedCall(*fs_, {.kind = InjectionKind::kRename,
                               .dir = from_,
                               .name = "f",
                               .to_dir = to_,
                               .to_name = "g",
                               .object = object_});
  }
  static Dropped DroppedAfter(InjectedCall& call) {
    Dropped names;
    call.InvalidateAfter(
        [&](NodeId dir, const std::string& name) { names.emplace(dir, name); });
    return names;
  }
  static void Ignore(NodeId, const std::string&) {}

  NodeId from_ = 0, to_ = 0;
  Attr object_;
};

TEST_F(InjectedCallTest, AMoveThatNobodyCrossesLeavesWhatIsTrue) {
  InjectedCall move = Move();
  move.InvalidateBefore(Ignore);
  EXPECT_THAT(DroppedAfter(move), IsEmpty());
}

// The kernel may have moved our file in place of the host's.
TEST_F(InjectedCallTest, AMoveThatOurChangeOfItsSourceCrossesDropsItsTarget) {
  InjectedCall move = Move();
  move.InvalidateBefore(Ignore);
  Create(from_, "f", S_IFREG | 0644);
  EXPECT_THAT(
      DroppedAfter(move),
      UnorderedElementsAre(testing::Pair(from_, "f"), testing::Pair(to_, "g")));
}

}  // namespace
}  // namespace warmfs::fuse
