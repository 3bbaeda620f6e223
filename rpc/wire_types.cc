#include <kj/debug.h>

#include "rpc/wire_internal.h"

namespace warmfs::rpc {
void Encode(const Attr& in, wire::Attr::Builder out) {
  EncodeId(in.id, out.initId());
  out.setIno(in.ino);
  out.setSize(in.size);
  out.setBlocks512(in.blocks_512);
  out.setRdev(in.rdev);
  out.setMode(in.mode);
  out.setUid(in.uid);
  out.setGid(in.gid);
  out.setNlink(in.nlink);
  EncodeTime(in.atime, out.initAtime());
  EncodeTime(in.mtime, out.initMtime());
  EncodeTime(in.ctime, out.initCtime());
  out.setRacy(in.racy);
}

void Decode(wire::Attr::Reader in, Attr& out) {
  out.id = DecodeId(in.getId());
  out.ino = in.getIno();
  out.size = in.getSize();
  out.blocks_512 = in.getBlocks512();
  out.rdev = in.getRdev();
  out.mode = in.getMode();
  out.uid = in.getUid();
  out.gid = in.getGid();
  out.nlink = in.getNlink();
  out.atime = DecodeTime(in.getAtime());
  out.mtime = DecodeTime(in.getMtime());
  out.ctime = DecodeTime(in.getCtime());
  out.racy = in.getRacy();
}

void Encode(const NodeRef& in, wire::NodeRef::Builder out) {
  out.setPath(ToData(in.path));
  EncodeId(in.id, out.initId());
}

void Decode(wire::NodeRef::Reader in, NodeRef& out) {
  out.path = ToString(in.getPath());
  out.id = DecodeId(in.getId());
}

void Encode(const Change& in, wire::Change::Builder out) {
  Encode(in.before, out.initBefore());
  Encode(in.after, out.initAfter());
}

void Decode(wire::Change::Reader in, Change& out) {
  Decode(in.getBefore(), out.before);
  Decode(in.getAfter(), out.after);
}

void Encode(const Reply& in, wire::Status::Builder out) {
  out.setError(in.error);
  auto pos = out.initPos();
  pos.setJournalId(in.pos.journal_id);
  pos.setSequence(in.pos.sequence);
}

void Decode(wire::Status::Reader in, Reply& out) {
  out.error = DecodeErrno(in.getError());
  out.pos = {in.getPos().getJournalId(), in.getPos().getSequence()};
}

void Encode(const ExportInfo& in, wire::ExportInfo::Builder out) {
  out.setName(in.name);
  out.setReadOnly(in.read_only);
  EncodeId(in.root, out.initRoot());
  out.setIdentity(ToData(in.identity));
  out.setHostUid(in.host_uid);
  out.setHostGid(in.host_gid);
}

void Decode(wire::ExportInfo::Reader in, ExportInfo& out) {
  out.name = ToString(in.getName());
  out.read_only = in.getReadOnly();
  out.root = DecodeId(in.getRoot());
  out.identity = ToString(in.getIdentity());
  out.host_uid = in.getHostUid();
  out.host_gid = in.getHostGid();
}

}  // namespace warmfs::rpc
