#include "fuse/tree.h"

#include <algorithm>
#include <utility>

#include "fuse/tree_nodes.h"

namespace warmfs::fuse {

Tree::Tree(const Attr& root, bool kernel_asks,
           std::function<void(NodeId)> stale)
    : kernel_asks_(kernel_asks), stale_(std::move(stale)) {
  absl::MutexLock lock(&mu_);
  index_ = std::make_unique<Index>();
  Make(root).lookups = 1;  // the kernel never forgets the root
}

Tree::~Tree() = default;

Stamp Tree::Now() const {
  absl::ReaderMutexLock lock(&mu_);
  return stamp_;
}

Tree::Node* Tree::Get(NodeId node) const {
  if (node == 0 || node > index_->next) return nullptr;
  Node& n = index_->at(node - 1);
  return n.used ? &n : nullptr;
}

Tree::Node* Tree::GetById(const FileId& id) const {
  auto it = index_->by_id.find(id);
  return it == index_->by_id.end() ? nullptr : &index_->at(*it);
}

Tree::Node& Tree::Make(const Attr& attr) {
  const uint32_t position = index_->Allocate();
  Node& node = index_->at(position);
  node = Node();
  node.used = true;
  node.id = position + 1;
  node.attr = attr;
  index_->by_id.insert(position);
  return node;
}

void Tree::Place(Node& node, NodeId parent, std::string_view name) {
  if (node.parent == parent && node.name == name) return;
  if (node.id == kRootNode || node.id == parent) return;
  Node* above = Get(parent);
  if (above == nullptr) return;
  // The host may have turned two directories inside out, and we hear of them
  // one by one: what still claims to be beneath `node` and holds its new parent
  // is not there any more. Meanwhile nothing of this may go.
  ++node.lookups;
  for (Node* n = above; n != nullptr; n = Get(n->parent)) {
    if (n->parent != node.id) continue;
    Unplace(*n);
    break;
  }
  ++above->children;
  // It was taken for gone, and what was known of it may be as wrong.
  if (IsGone(node)) node.attr_uncertain = true;
  Unplace(node);
  node.parent = parent;
  node.name = name;
  --node.lookups;
  FreeIfUnused(&node);
}

bool Tree::IsGone(const Node& node) {
  return node.parent == 0 && node.attr.nlink == 0 && !node.orphan;
}

void Tree::Unplace(Node& node) {
  const NodeId parent = std::exchange(node.parent, 0);
  node.name = std::string();
  if (Node* above = Get(parent)) {
    --above->children;
    FreeIfUnused(above);
  }
}

void Tree::FreeIfUnused(Node* node) {
  while (node != nullptr && node->lookups == 0 && node->children == 0 &&
         node->changes_under_way == 0) {
    forgotten_change_ = std::max(forgotten_change_, node->changed);
    Lease(*node, false);
    index_->by_id.erase(static_cast<uint32_t>(node->id - 1));
    index_->free.push_back(node->id - 1);
    Node* above = Get(node->parent);
    // The doubt goes with the node, and what the cache has would be believed.
    if (above != nullptr && node->attr_uncertain) Doubt(*above);
    *node = Node();
    if (above != nullptr) --above->children;
    node = above;
  }
}

std::string Tree::PathOf(const Node& node) const {
  size_t bytes = 0;
  for (const Node* n = &node; n != nullptr && n->parent != 0;
       n = Get(n->parent)) {
    bytes += n->name.size() + 1;
  }
  if (bytes == 0) return "";
  std::string path(bytes - 1, '/');
  size_t end = path.size();
  for (const Node* n = &node; n != nullptr && n->parent != 0;
       n = Get(n->parent)) {
    path.replace(end - n->name.size(), n->name.size(), n->name);
    end -= std::min(end, n->name.size() + 1);
  }
  return path;
}

NodeView Tree::ViewOf(const Node& n) const {
  NodeView view;
  view.node = n.id;
  view.attr = n.attr;
  view.ref = {PathOf(n), n.attr.id};
  view.parent = n.parent;
  view.name = n.name;
  view.placeless = n.parent == 0 && n.id != kRootNode;
  view.orphan = n.orphan;
  view.listing_at = n.leased ? kForever : n.listing_at;
  view.leased = n.leased;
  view.kernel_keeps_names = n.kernel_keeps_names;
  view.doubted = n.doubted;
  view.missed_events = n.missed_events;
  view.told_by_event = n.told_by_event;
  view.names_by_reply = n.names_by_reply;
  view.kernel_has_content = n.kernel_has_content;
  view.changed_by_us = n.changed_by_us || n.changes_under_way > 0;
  view.listing_entries = n.listing_entries;
  view.racy_read_at = n.racy_read_at;
  view.attr_fresh_at = FreshAt(n);
  if (const Node* above = Get(n.parent)) view.parent_id = above->attr.id;
  return view;
}

Instant Tree::FreshAt(const Node& n) const {
  if (n.attr_uncertain) return 0;
  // The root is in no directory, but its own lease covers it.
  if (n.id == kRootNode && n.leased) return kForever;
  const Node* above = Get(n.parent);
  // In the listing since it last differed, so confirmed whenever it was.
  if (above != nullptr && n.attr_at != 0 && n.attr_at >= above->relisted_at) {
    if (above->leased) return kForever;
    return std::max(n.attr_at, above->listing_at);
  }
  return n.attr_at;
}

std::optional<NodeView> Tree::Look(NodeId node) const {
  absl::ReaderMutexLock lock(&mu_);
  const Node* n = Get(node);
  if (n == nullptr) return std::nullopt;
  return ViewOf(*n);
}

std::optional<Glance> Tree::GlanceAt(const FileId& id) const {
  absl::ReaderMutexLock lock(&mu_);
  const Node* n = GetById(id);
  if (n == nullptr) return std::nullopt;
  return Glance{n->attr, n->leased, n->kernel_has_content};
}

NodeId Tree::Find(const FileId& id) const {
  absl::ReaderMutexLock lock(&mu_);
  const Node* n = GetById(id);
  return n == nullptr ? 0 : n->id;
}

Tree::Bound Tree::Bind(NodeId parent, std::string_view name, const Attr& attr,
                       Instant at) {
  absl::MutexLock lock(&mu_);
  Node* n = GetById(attr.id);
  if (n == nullptr) {
    n = &Make(attr);
    n->attr_at = at;
  } else if (n->attr_at == 0) {
    // Until now it was something of the past, for a call of the injector.
    n->attr = attr;
    n->attr_at = at;
  }
  ++n->lookups;
  Place(*n, parent, name);
  return {n->id, n->attr, FreshAt(*n)};
}

Tree::Bound Tree::BindElsewhere(const Attr& attr) {
  absl::MutexLock lock(&mu_);
  Node* n = GetById(attr.id);
  if (n == nullptr) n = &Make(attr);
  ++n->lookups;
  return {n->id, n->attr, FreshAt(*n)};
}

std::optional<FileId> Tree::Forget(NodeId node, uint64_t count) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr || node == kRootNode) return std::nullopt;
  n->lookups -= std::min(n->lookups, count);
  if (n->lookups > 0) return std::nullopt;
  std::optional<FileId> orphan;
  if (n->orphan) orphan = n->attr.id;
  n->orphan = false;
  FreeIfUnused(n);
  return orphan;
}

PageEffect Tree::Update(Node& n, const Attr& attr, Stamp asked, Instant at) {
  // The index finds a node by its id: attributes of another object are not for
  // it, whatever the host says.
  if (n.changed > asked || n.attr.id != attr.id) return PageEffect::kNone;
  const Attr old = std::exchange(n.attr, attr);
  const bool known = n.attr_at != 0;
  n.attr_at = std::max(n.attr_at, at);
  n.attr_uncertain = n.told_by_event = false;
  if (!known) return PageEffect::kNone;
  if (old.version() != attr.version()) {
    n.racy_read_at = 0;
    n.kernel_has_content = false;
    // A directory that has changed is listed again, however fresh its listing
    // was: the kernel would keep the old one under the new mtime.
    Doubt(n);
    // The kernel drops its pages by itself when it sees another mtime or size
    // (FUSE_AUTO_INVAL_DATA), and a listing for another mtime. A change that
    // kept them is for us to tell.
    const bool kernel_sees =
        kernel_asks_ && (old.mtime != attr.mtime ||
                         (attr.IsRegular() && old.size != attr.size));
    return kernel_sees ? PageEffect::kNone : PageEffect::kInvalidate;
  }
  // The kernel may hold what was read (bytes, or a listing) while the version
  // could not yet be trusted. Now it can: have it read once more. Under a lease
  // there was nothing to fear: an event would have told.
  const Node* above = Get(n.parent);
  const bool watched =
      n.leased || (above != nullptr && above->leased && !n.attr.IsDirectory());
  if (n.racy_read_at != 0 && !attr.racy && !watched) {
    n.racy_read_at = 0;
    Doubt(n);
    return PageEffect::kInvalidate;
  }
  return PageEffect::kNone;
}

PageEffect Tree::Apply(const Attr& attr, Stamp asked, Instant at) {
  absl::MutexLock lock(&mu_);
  Node* n = GetById(attr.id);
  return n == nullptr ? PageEffect::kNone : UpdateAndTell(*n, attr, asked, at);
}

void Tree::ApplyOwn(const Attr& attr, Stamp asked, Instant at) {
  absl::MutexLock lock(&mu_);
  if (Node* n = GetById(attr.id)) Update(*n, attr, asked, at);
}

PageEffect Tree::UpdateAndTell(Node& n, const Attr& attr, Stamp asked,
                               Instant at) {
  const PageEffect effect = Update(n, attr, asked, at);
  if (effect == PageEffect::kInvalidate && n.attr.IsRegular()) stale_(n.id);
  return effect;
}

PageEffect Tree::ConfirmListing(NodeId dir, const Attr& attr, Stamp asked,
                                Instant at, bool leased) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(dir);
  if (n == nullptr || n->changed > asked) return PageEffect::kNone;
  const PageEffect effect = Update(*n, attr, asked, at);
  n->listing_at = at;
  n->doubted = n->missed_events = false;
  n->names_by_reply = true;
  Lease(*n, leased);
  if (attr.racy) n->racy_read_at = at;
  return effect;
}

void Tree::ApplyListing(NodeId dir, absl::Span<DirEntry> entries, Stamp asked,
                        Instant at, std::vector<NodeId>& invalidate) {
  absl::MutexLock lock(&mu_);
  for (DirEntry& entry : entries) {
    Node* n = GetById(entry.attr.id);
    if (n == nullptr) continue;
    if (n->id == dir) continue;  // a host that lists a directory in itself
    // An event crossed the answer, and which of the two is newer is not told.
    if (n->changed > asked && n->told_by_event &&
        n->attr.version() != entry.attr.version()) {
      n->attr_uncertain = true;
    }
    if (UpdateAndTell(*n, entry.attr, asked, at) == PageEffect::kInvalidate) {
      invalidate.push_back(n->id);
    }
    entry.attr = n->attr;
    // A file with several links may stay where it was last looked up.
    if (n->parent == 0 || entry.attr.nlink == 1 || entry.attr.IsDirectory()) {
      Place(*n, dir, entry.name);
    }
  }
}

PageEffect Tree::FinishListing(NodeId dir, const Attr& attr, uint32_t entries,
                               Stamp asked, Instant at, bool leased) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(dir);
  if (n == nullptr || n->changed > asked) return PageEffect::kNone;
  const bool same_mtime = n->attr.mtime == attr.mtime;
  const bool listed_before = n->relisted_at != 0 || n->kernel_keeps_names;
  Update(*n, attr, asked, at);
  n->listing_at = n->relisted_at = at;
  n->doubted = n->missed_events = false;
  n->names_by_reply = true;
  Lease(*n, leased);
  n->listing_entries = entries;
  n->racy_read_at = attr.racy ? at : 0;
  return listed_before && (same_mtime || !kernel_asks_)
             ? PageEffect::kInvalidate
             : PageEffect::kNone;
}

bool Tree::IsLate(NodeId dir, Stamp asked) const {
  absl::ReaderMutexLock lock(&mu_);
  const Node* n = Get(dir);
  return n == nullptr || n->changed > asked || forgotten_change_ > asked;
}

bool Tree::ForgotChangeSince(Stamp asked) const {
  absl::ReaderMutexLock lock(&mu_);
  return forgotten_change_ > asked;
}

void Tree::ExpireListing(NodeId dir) {
  absl::MutexLock lock(&mu_);
  if (Node* n = Get(dir)) Doubt(*n);
}

void Tree::ExpireAttr(NodeId node) {
  absl::MutexLock lock(&mu_);
  if (Node* n = Get(node)) n->attr_uncertain = true;
}

void Tree::MarkGone(NodeId node) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr || n->id == kRootNode) return;
  if (!n->attr.IsDirectory()) n->attr.nlink = 0;
  n->attr_uncertain = false;
  Unplace(*n);
}

void Tree::Displace(NodeId node) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr || n->id == kRootNode) return;
  n->attr_uncertain = true;
  Unplace(*n);
}

void Tree::NoteRacyRead(NodeId node, Instant at) {
  absl::MutexLock lock(&mu_);
  if (Node* n = Get(node)) n->racy_read_at = at;
}

bool Tree::NoteKernelHas(NodeId node, const Version& version) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  return n != nullptr && NoteKernelHas(*n, version);
}

bool Tree::NoteKernelHas(Node& n, const Version& version) {
  if (n.attr.version() != version || n.changed_by_us ||
      n.changes_under_way > 0) {
    return false;
  }
  n.kernel_has_content = true;
  return true;
}

Stamp Tree::BeginChange(NodeId node) {
  absl::MutexLock lock(&mu_);
  // Keeps the node until EndChange.
  if (Node* n = Get(node)) ++n->changes_under_way;
  return stamp_;
}

bool Tree::EndChange(NodeId node, Stamp begun, const Change* change,
                     Instant at) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr) return false;
  --n->changes_under_way;
  const bool overlapped = n->changed > begun;
  n->changed = ++stamp_;
  bool expected = false;
  if (change != nullptr && change->after.id != n->attr.id) change = nullptr;
  if (change != nullptr) {
    expected = n->attr.version() == change->before.version();
    n->attr = change->after;
    n->attr_at = at;
    // A write makes the kernel's file longer without a word of ours.
    Told& told = n->told;
    if (told.at_most < n->attr.size) told.at_most = n->attr.size;
    if (expected) told.at_least = std::max(told.at_least, n->attr.size);
    told.version = MarkOf(n->attr.version());
    if (!expected && n->attr.IsRegular()) stale_(n->id);
  }
  n->attr_uncertain = overlapped || change == nullptr;
  n->told_by_event = n->kernel_has_content = false;
  n->names_by_reply = n->changed_by_us = true;
  FreeIfUnused(n);
  return expected;
}

void Tree::CancelChange(NodeId node) {
  absl::MutexLock lock(&mu_);
  Node* n = Get(node);
  if (n == nullptr) return;
  --n->changes_under_way;
  FreeIfUnused(n);
}

void Tree::Move(const FileId& id, NodeId parent, std::string_view name) {
  absl::MutexLock lock(&mu_);
  if (Node* n = GetById(id)) Place(*n, parent, name);
}

void Tree::Unlink(NodeId parent, std::string_view name, Stamp begun,
                  const Attr& after, bool kept, Instant at) {
  absl::MutexLock lock(&mu_);
  Node* n = GetById(after.id);
  if (n == nullptr) return;
  if (n->changed > begun) n->attr_uncertain = true;
  n->attr = after;
  n->attr_at = at;
  n->changed = ++stamp_;
  n->told_by_event = false;
  n->orphan = n->orphan || kept;
  if (n->parent == parent && n->name == name) Unplace(*n);
}

uint64_t Tree::size() const {
  absl::ReaderMutexLock lock(&mu_);
  return index_->by_id.size();
}

uint64_t Tree::memory_bytes() const {
  absl::ReaderMutexLock lock(&mu_);
  return index_->chunks.size() * Index::kChunkNodes * sizeof(Node) +
         index_->by_id.capacity() * (sizeof(uint32_t) + 1);
}

void Tree::ForEach(const std::function<void(const NodeView&)>& visit) const {
  std::vector<NodeId> ids;
  {
    absl::ReaderMutexLock lock(&mu_);
    for (uint32_t position : index_->by_id) ids.push_back(position + 1);
  }
  for (NodeId id : ids) {
    if (auto view = Look(id)) visit(*view);
  }
}

}  // namespace warmfs::fuse
