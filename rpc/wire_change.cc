// Operations that change: setAttr, create, link, remove, rename, write,
// allocate, copy, sync, setXattr, lock, release.

#include <kj/debug.h>

#include "rpc/wire_internal.h"

namespace warmfs::rpc {
namespace {

void EncodeTimeOrNow(const std::optional<TimeOrNow>& in,
                     wire::TimeOrNow::Builder out) {
  if (!in) {
    out.setOmit();
  } else if (in->now) {
    out.setNow();
  } else {
    auto time = out.initTime();
    time.setSec(in->time.sec);
    time.setNsec(in->time.nsec);
  }
}

std::optional<TimeOrNow> DecodeTimeOrNow(wire::TimeOrNow::Reader in) {
  switch (in.which()) {
    case wire::TimeOrNow::OMIT:
      return std::nullopt;
    case wire::TimeOrNow::NOW:
      return TimeOrNow{.now = true, .time = {}};
    case wire::TimeOrNow::TIME:
      // The kernel gives other nanoseconds a meaning of their own (UTIME_NOW).
      KJ_REQUIRE(in.getTime().getNsec() < 1'000'000'000, "not a time");
      return TimeOrNow{.now = false,
                       .time = {in.getTime().getSec(), in.getTime().getNsec()}};
  }
  KJ_FAIL_REQUIRE("a kind of time that this host does not know");
}

void EncodeLock(const LockRequest& in, wire::Lock::Builder out) {
  out.setOwner(in.owner);
  out.setKind(static_cast<wire::Lock::Kind>(in.kind));
  out.setType(static_cast<wire::Lock::Type>(in.type));
  out.setStart(in.start);
  out.setLength(in.length);
}

LockType DecodeLockType(wire::Lock::Type type) {
  KJ_REQUIRE(type <= wire::Lock::Type::UNLOCK, "an unknown type of lock");
  return static_cast<LockType>(type);
}

}  // namespace

void Encode(const SetAttrRequest& in, E::SetAttrParams::Builder out) {
  Encode(in.node, out.initNode());
  EncodeOptional(in.mode, out.initMode());
  EncodeOptional(in.uid, out.initUid());
  EncodeOptional(in.gid, out.initGid());
  out.setSetSize(in.size.has_value());
  out.setSize(in.size.value_or(0));
  EncodeTimeOrNow(in.atime, out.initAtime());
  EncodeTimeOrNow(in.mtime, out.initMtime());
}
void Decode(E::SetAttrParams::Reader in, SetAttrRequest& out) {
  Decode(in.getNode(), out.node);
  out.mode = DecodeOptional(in.getMode());
  out.uid = DecodeOptional(in.getUid());
  out.gid = DecodeOptional(in.getGid());
  if (in.getSetSize()) out.size = in.getSize();
  out.atime = DecodeTimeOrNow(in.getAtime());
  out.mtime = DecodeTimeOrNow(in.getMtime());
}
void Encode(const ChangeReply& in, E::SetAttrResults::Builder out) {
  Encode(in, out.initStatus());
  Encode(in.node, out.initNode());
}
void Decode(E::SetAttrResults::Reader in, ChangeReply& out) {
  Decode(in.getStatus(), out);
  Decode(in.getNode(), out.node);
}

void Encode(const CreateRequest& in, E::CreateParams::Builder out) {
  Encode(in.dir, out.initDir());
  out.setName(ToData(in.name));
  out.setMode(in.mode);
  EncodeOptional(in.uid, out.initUid());
  EncodeOptional(in.gid, out.initGid());
  out.setTarget(ToData(in.target));
  out.setExclusive(in.exclusive);
  out.setRetry(in.retry);
}
void Decode(E::CreateParams::Reader in, CreateRequest& out) {
  Decode(in.getDir(), out.dir);
  out.name = View(in.getName());
  out.mode = in.getMode();
  out.uid = DecodeOptional(in.getUid());
  out.gid = DecodeOptional(in.getGid());
  out.target = View(in.getTarget());
  out.exclusive = in.getExclusive();
  out.retry = in.getRetry();
}
void Encode(const CreateReply& in, E::CreateResults::Builder out) {
  Encode(in, out.initStatus());
  Encode(in.entry, out.initEntry());
  out.setExisted(in.existed);
  Encode(in.dir, out.initDir());
}
void Decode(E::CreateResults::Reader in, CreateReply& out) {
  Decode(in.getStatus(), out);
  Decode(in.getEntry(), out.entry);
  out.existed = in.getExisted();
  Decode(in.getDir(), out.dir);
}

void Encode(const LinkRequest& in, E::LinkParams::Builder out) {
  Encode(in.node, out.initNode());
  Encode(in.dir, out.initDir());
  out.setName(ToData(in.name));
  out.setRetry(in.retry);
}
void Decode(E::LinkParams::Reader in, LinkRequest& out) {
  Decode(in.getNode(), out.node);
  Decode(in.getDir(), out.dir);
  out.name = View(in.getName());
  out.retry = in.getRetry();
}
void Encode(const LinkReply& in, E::LinkResults::Builder out) {
  Encode(in, out.initStatus());
  Encode(in.entry, out.initEntry());
  Encode(in.dir, out.initDir());
}
void Decode(E::LinkResults::Reader in, LinkReply& out) {
  Decode(in.getStatus(), out);
  Decode(in.getEntry(), out.entry);
  Decode(in.getDir(), out.dir);
}

void Encode(const RemoveRequest& in, E::RemoveParams::Builder out) {
  Encode(in.dir, out.initDir());
  out.setName(ToData(in.name));
  out.setDirectory(in.directory);
  out.setKeepOrphan(in.keep_orphan);
  out.setRetry(in.retry);
}
void Decode(E::RemoveParams::Reader in, RemoveRequest& out) {
  Decode(in.getDir(), out.dir);
  out.name = View(in.getName());
  out.directory = in.getDirectory();
  out.keep_orphan = in.getKeepOrphan();
  out.retry = in.getRetry();
}
void Encode(const RemoveReply& in, E::RemoveResults::Builder out) {
  Encode(in, out.initStatus());
  Encode(in.removed, out.initRemoved());
  Encode(in.dir, out.initDir());
}
void Decode(E::RemoveResults::Reader in, RemoveReply& out) {
  Decode(in.getStatus(), out);
  Decode(in.getRemoved(), out.removed);
  Decode(in.getDir(), out.dir);
}

void Encode(const RenameRequest& in, E::RenameParams::Builder out) {
  Encode(in.from_dir, out.initFromDir());
  out.setFromName(ToData(in.from_name));
  Encode(in.to_dir, out.initToDir());
  out.setToName(ToData(in.to_name));
  out.setFlags(in.flags);
  Encode(NodeRef{.path = {}, .id = in.expected}, out.initExpected());
  out.setKeepOrphan(in.keep_orphan);
  out.setRetry(in.retry);
}
void Decode(E::RenameParams::Reader in, RenameRequest& out) {
  Decode(in.getFromDir(), out.from_dir);
  out.from_name = View(in.getFromName());
  Decode(in.getToDir(), out.to_dir);
  out.to_name = View(in.getToName());
  out.flags = in.getFlags();
  NodeRef expected;
  Decode(in.getExpected(), expected);
  out.expected = expected.id;
  out.keep_orphan = in.getKeepOrphan();
  out.retry = in.getRetry();
}
void Encode(const RenameReply& in, E::RenameResults::Builder out) {
  Encode(in, out.initStatus());
  Encode(in.moved, out.initMoved());
  Encode(in.other, out.initOther());
  Encode(in.from_dir, out.initFromDir());
  Encode(in.to_dir, out.initToDir());
  out.setUnsettled(in.unsettled);
}
void Decode(E::RenameResults::Reader in, RenameReply& out) {
  Decode(in.getStatus(), out);
  Decode(in.getMoved(), out.moved);
  Decode(in.getOther(), out.other);
  Decode(in.getFromDir(), out.from_dir);
  Decode(in.getToDir(), out.to_dir);
  out.unsettled = in.getUnsettled();
}

void Encode(const WriteRequest& in, E::WriteParams::Builder out) {
  Encode(in.node, out.initNode());
  out.setOffset(in.offset);
  out.setData(ToData(in.data));
  out.setAppend(in.append);
  out.setRetry(in.retry);
}
void Decode(E::WriteParams::Reader in, WriteRequest& out) {
  Decode(in.getNode(), out.node);
  out.offset = in.getOffset();
  out.data = View(in.getData());
  out.append = in.getAppend();
  out.retry = in.getRetry();
}
void Encode(const WriteReply& in, E::WriteResults::Builder out) {
  Encode(in, out.initStatus());
  out.setWritten(in.written);
  Encode(in.node, out.initNode());
}
void Decode(E::WriteResults::Reader in, WriteReply& out) {
  Decode(in.getStatus(), out);
  out.written = in.getWritten();
  Decode(in.getNode(), out.node);
}

void Encode(const AllocateRequest& in, E::AllocateParams::Builder out) {
  Encode(in.node, out.initNode());
  out.setMode(in.mode);
  out.setOffset(in.offset);
  out.setLength(in.length);
}
void Decode(E::AllocateParams::Reader in, AllocateRequest& out) {
  Decode(in.getNode(), out.node);
  out.mode = in.getMode();
  out.offset = in.getOffset();
  out.length = in.getLength();
}
void Encode(const ChangeReply& in, E::AllocateResults::Builder out) {
  Encode(in, out.initStatus());
  Encode(in.node, out.initNode());
}
void Decode(E::AllocateResults::Reader in, ChangeReply& out) {
  Decode(in.getStatus(), out);
  Decode(in.getNode(), out.node);
}

void Encode(const CopyRequest& in, E::CopyParams::Builder out) {
  Encode(in.from, out.initFrom());
  out.setFromOffset(in.from_offset);
  Encode(in.to, out.initTo());
  out.setToOffset(in.to_offset);
  out.setLength(in.length);
}
void Decode(E::CopyParams::Reader in, CopyRequest& out) {
  Decode(in.getFrom(), out.from);
  out.from_offset = in.getFromOffset();
  Decode(in.getTo(), out.to);
  out.to_offset = in.getToOffset();
  out.length = in.getLength();
}
void Encode(const CopyReply& in, E::CopyResults::Builder out) {
  Encode(in, out.initStatus());
  out.setCopied(in.copied);
  Encode(in.to, out.initTo());
}
void Decode(E::CopyResults::Reader in, CopyReply& out) {
  Decode(in.getStatus(), out);
  out.copied = in.getCopied();
  Decode(in.getTo(), out.to);
}

void Encode(const SyncRequest& in, E::SyncParams::Builder out) {
  Encode(in.node, out.initNode());
  out.setDataOnly(in.data_only);
}
void Decode(E::SyncParams::Reader in, SyncRequest& out) {
  Decode(in.getNode(), out.node);
  out.data_only = in.getDataOnly();
}
void Encode(const Reply& in, E::SyncResults::Builder out) {
  Encode(in, out.initStatus());
}
void Decode(E::SyncResults::Reader in, Reply& out) {
  Decode(in.getStatus(), out);
}

void Encode(const SetXattrRequest& in, E::SetXattrParams::Builder out) {
  Encode(in.node, out.initNode());
  out.setName(ToData(in.name));
  out.setRemove(!in.value.has_value());
  if (in.value) out.setValue(ToData(*in.value));
  out.setFlags(in.flags);
}
void Decode(E::SetXattrParams::Reader in, SetXattrRequest& out) {
  Decode(in.getNode(), out.node);
  out.name = View(in.getName());
  if (!in.getRemove()) out.value = View(in.getValue());
  out.flags = in.getFlags();
}
void Encode(const ChangeReply& in, E::SetXattrResults::Builder out) {
  Encode(in, out.initStatus());
  Encode(in.node, out.initNode());
}
void Decode(E::SetXattrResults::Reader in, ChangeReply& out) {
  Decode(in.getStatus(), out);
  Decode(in.getNode(), out.node);
}

void Encode(const LockRequest& in, E::LockParams::Builder out) {
  Encode(in.node, out.initNode());
  EncodeLock(in, out.initLock());
  out.setTest(in.test);
}
void Decode(E::LockParams::Reader in, LockRequest& out) {
  const wire::Lock::Reader lock = in.getLock();
  Decode(in.getNode(), out.node);
  out.owner = lock.getOwner();
  KJ_REQUIRE(lock.getKind() <= wire::Lock::Kind::FLOCK,
             "an unknown kind of lock");
  out.kind = static_cast<LockKind>(lock.getKind());
  out.type = DecodeLockType(lock.getType());
  out.start = lock.getStart();
  out.length = lock.getLength();
  out.test = in.getTest();
}
void Encode(const LockReply& in, E::LockResults::Builder out) {
  Encode(in, out.initStatus());
  auto lock = out.initLock();
  lock.setType(static_cast<wire::Lock::Type>(in.type));
  lock.setStart(in.start);
  lock.setLength(in.length);
  lock.setPid(in.pid);
}
void Decode(E::LockResults::Reader in, LockReply& out) {
  Decode(in.getStatus(), out);
  out.type = DecodeLockType(in.getLock().getType());
  out.start = in.getLock().getStart();
  out.length = in.getLock().getLength();
  out.pid = in.getLock().getPid();
}

void Encode(const ReleaseRequest& in, E::ReleaseParams::Builder out) {
  auto list = out.initOrphans(2 * in.orphans.size());
  for (size_t i = 0; i < in.orphans.size(); ++i) {
    list.set(2 * i, in.orphans[i].hi);
    list.set(2 * i + 1, in.orphans[i].lo);
  }
}
void Decode(E::ReleaseParams::Reader in, ReleaseRequest& out) {
  const auto list = in.getOrphans();
  for (uint32_t i = 0; i + 1 < list.size(); i += 2) {
    out.orphans.push_back({list[i], list[i + 1]});
  }
}
void Encode(const Reply& in, E::ReleaseResults::Builder out) {
  Encode(in, out.initStatus());
}
void Decode(E::ReleaseResults::Reader in, Reply& out) {
  Decode(in.getStatus(), out);
}

}  // namespace warmfs::rpc
