// Random operations on the tree and on a plain model of it: after each, both
// know the same objects in the same places.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include "fuse/tree.h"
#include "tests/fuse/tree_values.h"

namespace warmfs::fuse {
namespace {

// The same as the tree, by object number, without any index or count that could
// go wrong. Number 1 is the root.
class Model {
 public:
  struct Object {
    uint64_t parent = 0;  // 0: placeless
    std::string name;
    uint64_t lookups = 0;
  };

  Model() { objects_[1].lookups = 1; }

  bool Has(uint64_t n) const { return objects_.contains(n); }
  const std::map<uint64_t, Object>& objects() const { return objects_; }

  void Bind(uint64_t parent, const std::string& name, uint64_t n) {
    ++objects_[n].lookups;
    Place(n, parent, name);
  }
  void Place(uint64_t n, uint64_t parent, const std::string& name) {
    if (n == 1 || n == parent || !Has(n) || !Has(parent)) return;
    if (objects_[n].parent == parent && objects_[n].name == name) return;
    for (uint64_t at = parent; at != 0; at = objects_[at].parent) {
      if (objects_[at].parent != n) continue;
      Unplace(at);
      break;
    }
    objects_[n].parent = parent;
    objects_[n].name = name;
    Sweep();
  }
  void Unplace(uint64_t n) {
    objects_[n].parent = 0;
    objects_[n].name.clear();
  }
  void MarkGone(uint64_t n) {
    if (n != 1) Unplace(n);
    Sweep();
  }
  void Forget(uint64_t n, uint64_t count) {
    Object& o = objects_[n];
    o.lookups -= std::min(o.lookups, count);
    if (n == 1) o.lookups = 1;
    Sweep();
  }
  std::string PathOf(uint64_t n) const {
    std::string path;
    for (const Object* o = &objects_.at(n); o->parent != 0;
         o = &objects_.at(o->parent)) {
      path = path.empty() ? o->name : o->name + "/" + path;
    }
    return path;
  }

 private:
  // What neither the kernel nor a child refers to goes.
  void Sweep() {
    for (bool again = true; again;) {
      again = false;
      for (auto it = objects_.begin(); it != objects_.end(); ++it) {
        if (it->second.lookups > 0 || HasChild(it->first)) continue;
        objects_.erase(it);
        again = true;
        break;
      }
    }
  }
  bool HasChild(uint64_t n) const {
    for (const auto& [id, o] : objects_) {
      if (o.parent == n) return true;
    }
    return false;
  }

  std::map<uint64_t, Object> objects_;
};

class TreeModelTest : public testing::TestWithParam<int> {
 protected:
  static constexpr uint64_t kObjects = 16;

  // All objects are directories: anything may be beneath anything.
  static FileId IdOf(uint64_t n) { return DirAttr(n).id; }
  uint64_t Any() { return 1 + random_() % kObjects; }
  // Of those that are known.
  uint64_t Known() {
    auto it = model_.objects().begin();
    std::advance(it, random_() % model_.objects().size());
    return it->first;
  }
  std::string Name() { return std::string(1 + random_() % 3, 'n'); }

  void Step() {
    const uint64_t parent = Known(), n = Any();
    const std::string name = Name();
    switch (random_() % 8) {
      case 0:
      case 1:
      case 2:
        tree_.Bind(tree_.Find(IdOf(parent)), name, DirAttr(n), 1);
        return model_.Bind(parent, name, n);
      case 3:
        tree_.Move(IdOf(n), tree_.Find(IdOf(parent)), name);
        return model_.Place(n, parent, name);
      case 4: {
        const uint64_t gone = Known();
        tree_.MarkGone(tree_.Find(IdOf(gone)));
        return model_.MarkGone(gone);
      }
      case 5:
        List(parent);
        return;
      default: {
        const uint64_t forgotten = Known(), count = 1 + random_() % 2;
        tree_.Forget(tree_.Find(IdOf(forgotten)), count);
        return model_.Forget(forgotten, count);
      }
    }
  }

  // Two entries, as a listing of `dir` would tell them.
  void List(uint64_t dir) {
    const uint64_t first = Any(), second = Any();
    std::vector<DirEntry> entries = {{"x", DirAttr(first), ""},
                                     {"y", DirAttr(second), ""}};
    std::vector<NodeId> invalidate;
    tree_.ApplyListing(tree_.Find(IdOf(dir)), absl::MakeSpan(entries),
                       tree_.Now(), 1, invalidate);
    model_.Place(first, dir, "x");
    model_.Place(second, dir, "y");
  }

  void Compare() {
    ASSERT_EQ(tree_.size(), model_.objects().size());
    for (uint64_t n = 1; n <= kObjects; ++n) {
      const NodeId node = tree_.Find(IdOf(n));
      ASSERT_EQ(node != 0, model_.Has(n)) << n;
      if (node == 0) continue;
      const auto view = tree_.Look(node);
      ASSERT_TRUE(view) << n;
      ASSERT_EQ(view->ref.path, model_.PathOf(n)) << n;
      ASSERT_EQ(view->placeless, n != 1 && model_.objects().at(n).parent == 0)
          << n;
    }
  }

  std::mt19937 random_{static_cast<uint32_t>(GetParam())};
  Tree tree_{kRootAttr};
  Model model_;
};

TEST_P(TreeModelTest, BothKnowTheSame) {
  for (int i = 0; i < 5'000; ++i) {
    Step();
    Compare();
    if (HasFatalFailure()) FAIL() << "after step " << i;
  }
}

TEST_P(TreeModelTest, NothingIsLeftWhenAllIsForgotten) {
  for (int i = 0; i < 2'000; ++i) Step();
  while (tree_.size() > 1) {
    std::vector<NodeId> nodes;
    tree_.ForEach([&](const NodeView& v) { nodes.push_back(v.node); });
    const uint64_t before = tree_.size();
    for (const NodeId node : nodes) tree_.Forget(node, 1'000'000);
    ASSERT_LT(tree_.size(), before);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TreeModelTest, testing::Range(1, 9));

}  // namespace
}  // namespace warmfs::fuse
