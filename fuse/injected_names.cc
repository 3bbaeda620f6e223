#include "fuse/injected_names.h"

#include <algorithm>

namespace warmfs::fuse {

std::optional<FileId> InjectedNames::Truth(NodeId dir, std::string_view name) {
  const auto view = fs_.tree_.Look(dir);
  if (!view) return std::nullopt;
  const cache::LookupResult found = fs_.cache_.Lookup(view->attr.id, name);
  if (found.presence == cache::Presence::kUnknown) return std::nullopt;
  return found.id;
}

Entry InjectedNames::Bind(NodeId dir, std::string_view name, const Attr& object,
                          bool loses_link) {
  absl::MutexLock lock(&fs_.apply_mu_);
  if (Truth(dir, name) == object.id) {
    bool unknown = false;
    auto entry = fs_.LookupInCache(*fs_.tree_.Look(dir), name, unknown);
    if (!unknown && entry.ok()) return *entry;
  }
  // Elsewhere it may be seen as it is by now, so no one is given its past.
  const auto record = fs_.cache_.GetNode(object.id);
  const Tree::Bound bound =
      fs_.tree_.BindElsewhere(record ? record->attr : object);
  Entry entry{.node = bound.node, .attr = fs_.options().ToVm(bound.attr)};
  entry.attr.nlink = std::max(1u, object.nlink);
  // The kernel takes one away, and an object with none left is gone to those
  // who watch it. So what it has now must remain, whatever was known then.
  const auto view = fs_.tree_.Look(bound.node);
  if (loses_link && view && IsInPlace(*view)) {
    entry.attr.nlink = std::max(entry.attr.nlink, view->attr.nlink + 1);
  }
  return entry;
}

void InjectedNames::Hold(NodeId node) {
  fs_.tree_.BeginChange(node);
  fs_.drops_.BeginCall(node);
}

void InjectedNames::Release(NodeId node) {
  fs_.drops_.EndCall(node);
  fs_.tree_.CancelChange(node);
}

bool InjectedNames::Lives(const Attr& object) {
  const auto view = fs_.tree_.Look(fs_.tree_.Find(object.id));
  return view && IsInPlace(*view) &&
         (object.IsDirectory() || view->attr.nlink >= object.nlink);
}

bool InjectedNames::IsInPlace(const NodeView& view) {
  return !view.placeless && Truth(view.parent, view.name) == view.attr.id;
}

std::optional<Entry> InjectedNames::AttrOf(NodeId node) {
  if (node == kHiddenNode) {
    return Entry{
        .node = node, .attr = HiddenAttr(), .valid_for = absl::Hours(1)};
  }
  const auto view = fs_.tree_.Look(node);
  if (!view) return std::nullopt;
  return fs_.MakeTrueEntry(node, view->attr, view->attr_fresh_at);
}

void InjectedNames::NoteShorter(const Shorter& file) {
  fs_.tree_.NoteTold(file.node, file.bytes, file.since.version, file.since);
}

}  // namespace warmfs::fuse
