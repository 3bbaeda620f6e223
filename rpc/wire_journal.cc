// The change journal: events, next, fence.

#include <kj/debug.h>

#include "rpc/wire_internal.h"

namespace warmfs::rpc {
namespace {

EventKind DecodeKind(uint16_t kind) {
  KJ_REQUIRE(kind <= static_cast<uint16_t>(EventKind::kRevoked),
             "an unknown kind of event", kind);
  return static_cast<EventKind>(kind);
}

}  // namespace

void Encode(const Event& in, wire::Event::Builder out) {
  out.setSequence(in.sequence);
  out.setKind(static_cast<uint16_t>(in.kind));
  out.setOwn(in.own);
  out.setDirectory(in.directory);
  out.setCookie(in.cookie);
  EncodeId(in.dir, out.initDir());
  out.setName(ToData(in.name));
  if (!in.dir_attr.id.IsNull()) Encode(in.dir_attr, out.initDirAttr());
  if (!in.entry.id.IsNull()) Encode(in.entry, out.initEntry());
  if (!in.target.empty()) out.setTarget(ToData(in.target));
  EncodeTime(in.taken, out.initTaken());
}

void Decode(wire::Event::Reader in, Event& out) {
  out.sequence = in.getSequence();
  out.kind = DecodeKind(in.getKind());
  out.own = in.getOwn();
  out.directory = in.getDirectory();
  out.cookie = in.getCookie();
  out.dir = DecodeId(in.getDir());
  if (in.getName().size() > 0) out.name = DecodeName(in.getName());
  KJ_REQUIRE(out.name.empty() || !out.dir.IsNull(),
             "an event with a name in no directory");
  if (in.hasDirAttr()) Decode(in.getDirAttr(), out.dir_attr);
  if (in.hasEntry()) Decode(in.getEntry(), out.entry);
  out.target = ToString(in.getTarget());
  out.taken = DecodeTime(in.getTaken());
}

void Encode(const NextRequest& in, E::NextParams::Builder out) {
  auto after = out.initAfter();
  after.setJournalId(in.after.journal_id);
  after.setSequence(in.after.sequence);
  out.setMaxEvents(in.max_events);
  out.setWaitMs(in.wait_ms);
}
void Decode(E::NextParams::Reader in, NextRequest& out) {
  out.after = {in.getAfter().getJournalId(), in.getAfter().getSequence()};
  out.max_events = in.getMaxEvents();
  out.wait_ms = in.getWaitMs();
}
void Encode(const NextReply& in, E::NextResults::Builder out) {
  Encode(in, out.initStatus());
  out.setNewEpoch(in.new_epoch);
  auto events = out.initEvents(in.events.size());
  for (size_t i = 0; i < in.events.size(); ++i) Encode(in.events[i], events[i]);
  out.setWatches(in.watches);
  out.setRefused(in.refused);
  out.setOverflows(in.overflows);
}
void Decode(E::NextResults::Reader in, NextReply& out) {
  Decode(in.getStatus(), out);
  out.new_epoch = in.getNewEpoch();
  out.events.clear();
  out.events.reserve(in.getEvents().size());
  for (wire::Event::Reader event : in.getEvents()) {
    Decode(event, out.events.emplace_back());
  }
  out.watches = in.getWatches();
  out.refused = in.getRefused();
  out.overflows = in.getOverflows();
}

void Encode(const FenceRequest&, E::FenceParams::Builder) {}
void Decode(E::FenceParams::Reader, FenceRequest&) {}
void Encode(const Reply& in, E::FenceResults::Builder out) {
  Encode(in, out.initStatus());
}
void Decode(E::FenceResults::Reader in, Reply& out) {
  Decode(in.getStatus(), out);
}

}  // namespace warmfs::rpc
