#include "fuse/injected_names.h"

#include <algorithm>

#include "fuse/injection_plan.h"

namespace warmfs::fuse {

std::optional<FileId> InjectedNames::Truth(NodeId dir, std::string_view name) {
  const auto view = fs_.tree_.Look(dir);
  if (!view) return std::nullopt;
  const cache::LookupResult found = fs_.cache_.Lookup(view->attr.id, name);
  if (found.presence == cache::Presence::kUnknown) return std::nullopt;
  return found.id;
}

Entry InjectedNames::Bind(NodeId dir, std::string_view name,
                          const Attr& object) {
  absl::MutexLock lock(&fs_.apply_mu_);
  if (Truth(dir, name) == object.id) {
    bool unknown = false;
    auto entry = fs_.LookupInCache(*fs_.tree_.Look(dir), name, unknown);
    if (!unknown && entry.ok()) return *entry;
  }
  const Tree::Bound bound = fs_.tree_.BindElsewhere(object);
  Entry entry{.node = bound.node, .attr = fs_.ToVm(bound.attr)};
  // The kernel takes one away for each name that goes, and a file with none
  // left is gone to those who watch it.
  entry.attr.nlink = std::max(1u, object.nlink);
  return entry;
}

std::optional<Entry> InjectedNames::AttrOf(NodeId node) {
  if (node == kHiddenNode) {
    return Entry{
        .node = node, .attr = HiddenAttr(), .valid_for = absl::Hours(1)};
  }
  const auto view = fs_.tree_.Look(node);
  if (!view) return std::nullopt;
  return fs_.MakeEntry(node, view->attr, view->attr_fresh_at);
}

}  // namespace warmfs::fuse
