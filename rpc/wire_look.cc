// Operations that look: getAttr, lookup, list, readLink, read, seek, statFs,
// getXattr.

#include <kj/debug.h>

#include "rpc/wire_internal.h"

namespace warmfs::rpc {
namespace {

void EncodePage(const ListReply& in, wire::Listing::Builder out) {
  Encode(static_cast<const Reply&>(in), out.initStatus());
  Encode(in.dir, out.initDir());
  out.setUnchanged(in.unchanged);
  out.setConsistent(in.consistent);
  out.initDigest().setHi(in.digest.hi);
  out.getDigest().setLo(in.digest.lo);
  auto entries = out.initEntries(in.entries.size());
  for (size_t i = 0; i < in.entries.size(); ++i) {
    entries[i].setName(ToData(in.entries[i].name));
    Encode(in.entries[i].attr, entries[i].initAttr());
    if (!in.entries[i].target.empty()) {
      entries[i].setTarget(ToData(in.entries[i].target));
    }
  }
  out.setCursor(in.cursor);
  out.setLeased(in.leased);
}

void DecodePage(wire::Listing::Reader in, ListReply& out) {
  Decode(in.getStatus(), static_cast<Reply&>(out));
  Decode(in.getDir(), out.dir);
  out.unchanged = in.getUnchanged();
  out.consistent = in.getConsistent();
  out.digest = {in.getDigest().getHi(), in.getDigest().getLo()};
  out.entries.clear();
  out.entries.reserve(in.getEntries().size());
  for (wire::DirEntry::Reader entry : in.getEntries()) {
    DirEntry& e = out.entries.emplace_back();
    e.name = DecodeName(entry.getName());
    Decode(entry.getAttr(), e.attr);
    e.target = ToString(entry.getTarget());
  }
  out.cursor = in.getCursor();
  out.leased = in.getLeased();
}

void EncodeFileRead(const FileRead& in, wire::FileRead::Builder out) {
  out.setError(in.error);
  Encode(in.attr, out.initAttr());
  out.setStable(in.stable);
  auto blocks = out.initBlocks(in.blocks.size());
  for (size_t i = 0; i < in.blocks.size(); ++i) {
    if (in.blocks[i].unchanged) {
      blocks[i].setUnchanged();
    } else {
      blocks[i].setBytes(ToData(in.blocks[i].bytes));
    }
  }
}

void DecodeFileRead(wire::FileRead::Reader in, FileRead& out) {
  out.error = DecodeErrno(in.getError());
  Decode(in.getAttr(), out.attr);
  out.stable = in.getStable();
  for (wire::FileRead::Block::Reader block : in.getBlocks()) {
    BlockReply& b = out.blocks.emplace_back();
    b.unchanged = block.isUnchanged();
    KJ_REQUIRE(b.unchanged || block.isBytes(), "an unknown form of block");
    if (block.isBytes()) b.bytes = Buffer(View(block.getBytes()));
    KJ_REQUIRE(b.bytes.size() <= kBlockBytes, "a block that is too long");
  }
}

}  // namespace

void Encode(const NodeRef& in, E::GetAttrParams::Builder out) {
  Encode(in, out.initNode());
}
void Decode(E::GetAttrParams::Reader in, NodeRef& out) {
  Decode(in.getNode(), out);
}
void Encode(const AttrReply& in, E::GetAttrResults::Builder out) {
  Encode(in, out.initStatus());
  Encode(in.attr, out.initAttr());
}
void Decode(E::GetAttrResults::Reader in, AttrReply& out) {
  Decode(in.getStatus(), out);
  Decode(in.getAttr(), out.attr);
}

void Encode(const LookupRequest& in, E::LookupParams::Builder out) {
  Encode(in.dir, out.initDir());
  out.setName(ToData(in.name));
  out.setLease(in.lease);
}
void Decode(E::LookupParams::Reader in, LookupRequest& out) {
  Decode(in.getDir(), out.dir);
  out.name = View(in.getName());
  out.lease = in.getLease();
}
void Encode(const LookupReply& in, E::LookupResults::Builder out) {
  Encode(in, out.initStatus());
  Encode(in.entry, out.initEntry());
  out.setTarget(ToData(in.target));
  Encode(in.dir, out.initDir());
  out.setLeased(in.leased);
}
void Decode(E::LookupResults::Reader in, LookupReply& out) {
  Decode(in.getStatus(), out);
  Decode(in.getEntry(), out.entry);
  out.target = ToString(in.getTarget());
  Decode(in.getDir(), out.dir);
  out.leased = in.getLeased();
}

void Encode(const ListRequest& in, E::ListParams::Builder out) {
  Encode(in.dir, out.initDir());
  out.initKnown().setHi(in.known.hi);
  out.getKnown().setLo(in.known.lo);
  out.setLease(in.lease);
}
void Decode(E::ListParams::Reader in, ListRequest& out) {
  Decode(in.getDir(), out.dir);
  out.known = {in.getKnown().getHi(), in.getKnown().getLo()};
  out.lease = in.getLease();
}
void Encode(const ListReply& in, E::ListResults::Builder out) {
  EncodePage(in, out.initPage());
}
void Decode(E::ListResults::Reader in, ListReply& out) {
  DecodePage(in.getPage(), out);
}

void Encode(uint64_t in, E::ListMoreParams::Builder out) { out.setCursor(in); }
void Decode(E::ListMoreParams::Reader in, uint64_t& out) {
  out = in.getCursor();
}
void Encode(const ListReply& in, E::ListMoreResults::Builder out) {
  EncodePage(in, out.initPage());
}
void Decode(E::ListMoreResults::Reader in, ListReply& out) {
  DecodePage(in.getPage(), out);
}

void Encode(const ListManyRequest& in, E::ListManyParams::Builder out) {
  auto dirs = out.initDirs(in.dirs.size());
  for (size_t i = 0; i < in.dirs.size(); ++i) {
    Encode(in.dirs[i].dir, dirs[i].initDir());
    dirs[i].initKnown().setHi(in.dirs[i].known.hi);
    dirs[i].getKnown().setLo(in.dirs[i].known.lo);
    dirs[i].setLease(in.dirs[i].lease);
  }
  out.setMostEntries(in.most_entries);
}
void Decode(E::ListManyParams::Reader in, ListManyRequest& out) {
  KJ_REQUIRE(in.getDirs().size() <= kMaxListDirs, "too many directories");
  for (wire::ListSpec::Reader spec : in.getDirs()) {
    ListRequest& dir = out.dirs.emplace_back();
    Decode(spec.getDir(), dir.dir);
    dir.known = {spec.getKnown().getHi(), spec.getKnown().getLo()};
    dir.lease = spec.getLease();
  }
  out.most_entries = in.getMostEntries();
}
void Encode(const ListManyReply& in, E::ListManyResults::Builder out) {
  Encode(in, out.initStatus());
  auto pages = out.initPages(in.pages.size());
  for (size_t i = 0; i < in.pages.size(); ++i)
    EncodePage(in.pages[i], pages[i]);
}
void Decode(E::ListManyResults::Reader in, ListManyReply& out) {
  Decode(in.getStatus(), out);
  for (wire::Listing::Reader page : in.getPages()) {
    DecodePage(page, out.pages.emplace_back());
  }
}

void Encode(const NodeRef& in, E::ReadLinkParams::Builder out) {
  Encode(in, out.initNode());
}
void Decode(E::ReadLinkParams::Reader in, NodeRef& out) {
  Decode(in.getNode(), out);
}
void Encode(const ReadLinkReply& in, E::ReadLinkResults::Builder out) {
  Encode(in, out.initStatus());
  out.setTarget(ToData(in.target));
}
void Decode(E::ReadLinkResults::Reader in, ReadLinkReply& out) {
  Decode(in.getStatus(), out);
  out.target = ToString(in.getTarget());
}

void Encode(const ReadRequest& in, E::ReadParams::Builder out) {
  auto files = out.initFiles(in.files.size());
  for (size_t i = 0; i < in.files.size(); ++i) {
    const ReadSpec& spec = in.files[i];
    Encode(spec.node, files[i].initNode());
    files[i].setFirstBlock(spec.first_block);
    files[i].setBlockCount(spec.block_count);
    files[i].setKnownHashes(
        kj::arrayPtr(spec.known_hashes.data(), spec.known_hashes.size()));
  }
}
void Decode(E::ReadParams::Reader in, ReadRequest& out) {
  KJ_REQUIRE(in.getFiles().size() <= kMaxReadFiles, "too many files in a read");
  for (wire::ReadSpec::Reader spec : in.getFiles()) {
    ReadSpec& s = out.files.emplace_back();
    Decode(spec.getNode(), s.node);
    s.first_block = spec.getFirstBlock();
    s.block_count = spec.getBlockCount();
    for (uint64_t hash : spec.getKnownHashes()) s.known_hashes.push_back(hash);
  }
}
void Encode(const ReadReply& in, E::ReadResults::Builder out) {
  Encode(in, out.initStatus());
  auto files = out.initFiles(in.files.size());
  for (size_t i = 0; i < in.files.size(); ++i) {
    EncodeFileRead(in.files[i], files[i]);
  }
}
void Decode(E::ReadResults::Reader in, ReadReply& out) {
  Decode(in.getStatus(), out);
  for (wire::FileRead::Reader file : in.getFiles()) {
    DecodeFileRead(file, out.files.emplace_back());
  }
}

void Encode(const SeekRequest& in, E::SeekParams::Builder out) {
  Encode(in.node, out.initNode());
  out.setOffset(in.offset);
  out.setHole(in.hole);
}
void Decode(E::SeekParams::Reader in, SeekRequest& out) {
  Decode(in.getNode(), out.node);
  out.offset = in.getOffset();
  out.hole = in.getHole();
}
void Encode(const SeekReply& in, E::SeekResults::Builder out) {
  Encode(in, out.initStatus());
  out.setOffset(in.offset);
}
void Decode(E::SeekResults::Reader in, SeekReply& out) {
  Decode(in.getStatus(), out);
  out.offset = in.getOffset();
}

void Encode(const NodeRef& in, E::StatFsParams::Builder out) {
  Encode(in, out.initNode());
}
void Decode(E::StatFsParams::Reader in, NodeRef& out) {
  Decode(in.getNode(), out);
}
void Encode(const StatFsReply& in, E::StatFsResults::Builder out) {
  Encode(in, out.initStatus());
  out.setBlockBytes(in.block_bytes);
  out.setBlocks(in.blocks);
  out.setBlocksFree(in.blocks_free);
  out.setBlocksAvailable(in.blocks_available);
  out.setFiles(in.files);
  out.setFilesFree(in.files_free);
  out.setNameMax(in.name_max);
}
void Decode(E::StatFsResults::Reader in, StatFsReply& out) {
  Decode(in.getStatus(), out);
  out.block_bytes = in.getBlockBytes();
  out.blocks = in.getBlocks();
  out.blocks_free = in.getBlocksFree();
  out.blocks_available = in.getBlocksAvailable();
  out.files = in.getFiles();
  out.files_free = in.getFilesFree();
  out.name_max = in.getNameMax();
}

void Encode(const GetXattrRequest& in, E::GetXattrParams::Builder out) {
  Encode(in.node, out.initNode());
  out.setName(ToData(in.name));
}
void Decode(E::GetXattrParams::Reader in, GetXattrRequest& out) {
  Decode(in.getNode(), out.node);
  out.name = View(in.getName());
}
void Encode(const GetXattrReply& in, E::GetXattrResults::Builder out) {
  Encode(in, out.initStatus());
  out.setValue(ToData(in.value));
}
void Decode(E::GetXattrResults::Reader in, GetXattrReply& out) {
  Decode(in.getStatus(), out);
  out.value = ToString(in.getValue());
}

}  // namespace warmfs::rpc
