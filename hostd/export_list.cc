// Export's listings: the first page, and those that follow it.

#include <algorithm>
#include <utility>

#include "hostd/export.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

bool IsUnchanged(const ListReply& reply, const Digest& known) {
  return !known.IsNone() && reply.consistent && reply.digest == known;
}

ListReply Unchanged(ListReply reply) {
  reply.unchanged = true;
  reply.entries.clear();
  return reply;
}

// A directory of several pages is read once for its digest, with no page kept,
// and a second time for its entries if that differs.
int CompareWhole(Listing* listing, const Digest& known, ListReply* first_page,
                 bool* unchanged) {
  ListReply whole;
  whole.dir = first_page->dir;
  first_page->entries.clear();
  if (const int error = listing->Skim(&whole)) return error;
  *unchanged = IsUnchanged(whole, known);
  if (*unchanged) {
    *first_page = std::move(whole);
    return 0;
  }
  if (const int error = listing->Restart()) return error;
  return listing->ReadPage(first_page);
}

}  // namespace

ListReply Export::List(ClientState& client, Cursors& cursors,
                       const ListRequest& request) const {
  Node dir;
  std::unique_ptr<Listing> listing;
  ListReply reply;
  int error = tree_.FindDirectory(client, request.dir, &dir);
  if (error != 0) return Failed<ListReply>(error);
  Watcher* const watcher =
      Lease(request.lease, request.dir, &dir) ? watcher_.get() : nullptr;
  error = Listing::Open(tree_, dir, watcher, &listing);
  if (error == 0) error = listing->ReadPage(&reply);
  if (error != 0) return Failed<ListReply>(error);
  bool unchanged = listing->done() && IsUnchanged(reply, request.known);
  if (!listing->done() && !request.known.IsNone()) {
    error = CompareWhole(listing.get(), request.known, &reply, &unchanged);
    if (error != 0) return Failed<ListReply>(error);
  }
  reply.leased = listing->leased();
  if (unchanged) return Unchanged(std::move(reply));
  if (!listing->done()) {
    reply.cursor = cursors.Add(std::move(listing));
    if (reply.cursor == 0) return Failed<ListReply>(kENFILE);
  }
  return reply;
}

ListManyReply Export::ListMany(ClientState& client, Cursors& cursors,
                               const ListManyRequest& request) const {
  const size_t most = std::min(request.most_entries, kMaxListEntries);
  ListManyReply reply;
  size_t entries = 0;
  for (const ListRequest& dir : request.dirs) {
    const bool first = reply.pages.empty();
    if (!first && entries >= most) break;
    ListReply page = List(client, cursors, dir);
    if (!first && page.cursor != 0) {
      cursors.Close(page.cursor);
      page = Failed<ListReply>(kEFBIG);
    }
    entries += page.entries.size();
    reply.pages.push_back(std::move(page));
  }
  return reply;
}

ListReply Export::ListMore(Cursors& cursors, uint64_t cursor) const {
  Listing* const listing = cursors.Find(cursor);
  if (listing == nullptr || listing->tree() != &tree_) {
    return Failed<ListReply>(kESTALE);
  }
  ListReply reply;
  const int error = listing->ReadPage(&reply);
  reply.leased = listing->leased();
  if (error == 0 && !listing->done()) {
    reply.cursor = cursor;
    return reply;
  }
  cursors.Close(cursor);
  return error == 0 ? std::move(reply) : Failed<ListReply>(error);
}

}  // namespace warmfs::hostd
