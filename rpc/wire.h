// Conversion between the plain-value operations of schema/ops.h and their wire
// form. One overload of Encode and Decode for each struct that travels.
//
// Decode accepts any bytes a peer may send: what has no plain-value form (an
// enumerator this build does not know, a name with a slash in it) throws
// kj::Exception, which ends where KJ is met: the call fails, nothing else does.
// string_views in a decoded request point into the message.
//
// Stateless and thread-safe.

#ifndef WARMFS_RPC_WIRE_H_
#define WARMFS_RPC_WIRE_H_

#include "schema/ops.h"
#include "schema/types.h"
#include "schema/warmfs.capnp.h"

namespace warmfs::rpc {

// --- vocabulary ---
void Encode(const Attr& in, wire::Attr::Builder out);
void Decode(wire::Attr::Reader in, Attr& out);
void Encode(const NodeRef& in, wire::NodeRef::Builder out);
void Decode(wire::NodeRef::Reader in, NodeRef& out);
void Encode(const Change& in, wire::Change::Builder out);
void Decode(wire::Change::Reader in, Change& out);
void Encode(const Reply& in, wire::Status::Builder out);
void Decode(wire::Status::Reader in, Reply& out);
void Encode(const ExportInfo& in, wire::ExportInfo::Builder out);
void Decode(wire::ExportInfo::Reader in, ExportInfo& out);

// --- operations: requests, then replies ---
using E = wire::Export;

void Encode(const NodeRef& in, E::GetAttrParams::Builder out);
void Decode(E::GetAttrParams::Reader in, NodeRef& out);
void Encode(const AttrReply& in, E::GetAttrResults::Builder out);
void Decode(E::GetAttrResults::Reader in, AttrReply& out);

void Encode(const LookupRequest& in, E::LookupParams::Builder out);
void Decode(E::LookupParams::Reader in, LookupRequest& out);
void Encode(const LookupReply& in, E::LookupResults::Builder out);
void Decode(E::LookupResults::Reader in, LookupReply& out);

void Encode(const ListRequest& in, E::ListParams::Builder out);
void Decode(E::ListParams::Reader in, ListRequest& out);
void Encode(const ListReply& in, E::ListResults::Builder out);
void Decode(E::ListResults::Reader in, ListReply& out);

void Encode(uint64_t in, E::ListMoreParams::Builder out);
void Decode(E::ListMoreParams::Reader in, uint64_t& out);
void Encode(const ListReply& in, E::ListMoreResults::Builder out);
void Decode(E::ListMoreResults::Reader in, ListReply& out);

void Encode(const NodeRef& in, E::ReadLinkParams::Builder out);
void Decode(E::ReadLinkParams::Reader in, NodeRef& out);
void Encode(const ListManyRequest& in, E::ListManyParams::Builder out);
void Decode(E::ListManyParams::Reader in, ListManyRequest& out);
void Encode(const ListManyReply& in, E::ListManyResults::Builder out);
void Decode(E::ListManyResults::Reader in, ListManyReply& out);

void Encode(const ReadLinkReply& in, E::ReadLinkResults::Builder out);
void Decode(E::ReadLinkResults::Reader in, ReadLinkReply& out);

void Encode(const ReadRequest& in, E::ReadParams::Builder out);
void Decode(E::ReadParams::Reader in, ReadRequest& out);
void Encode(const ReadReply& in, E::ReadResults::Builder out);
void Decode(E::ReadResults::Reader in, ReadReply& out);

void Encode(const SeekRequest& in, E::SeekParams::Builder out);
void Decode(E::SeekParams::Reader in, SeekRequest& out);
void Encode(const SeekReply& in, E::SeekResults::Builder out);
void Decode(E::SeekResults::Reader in, SeekReply& out);

void Encode(const NodeRef& in, E::StatFsParams::Builder out);
void Decode(E::StatFsParams::Reader in, NodeRef& out);
void Encode(const StatFsReply& in, E::StatFsResults::Builder out);
void Decode(E::StatFsResults::Reader in, StatFsReply& out);

void Encode(const GetXattrRequest& in, E::GetXattrParams::Builder out);
void Decode(E::GetXattrParams::Reader in, GetXattrRequest& out);
void Encode(const GetXattrReply& in, E::GetXattrResults::Builder out);
void Decode(E::GetXattrResults::Reader in, GetXattrReply& out);

void Encode(const SetAttrRequest& in, E::SetAttrParams::Builder out);
void Decode(E::SetAttrParams::Reader in, SetAttrRequest& out);
void Encode(const ChangeReply& in, E::SetAttrResults::Builder out);
void Decode(E::SetAttrResults::Reader in, ChangeReply& out);

void Encode(const CreateRequest& in, E::CreateParams::Builder out);
void Decode(E::CreateParams::Reader in, CreateRequest& out);
void Encode(const CreateReply& in, E::CreateResults::Builder out);
void Decode(E::CreateResults::Reader in, CreateReply& out);

void Encode(const LinkRequest& in, E::LinkParams::Builder out);
void Decode(E::LinkParams::Reader in, LinkRequest& out);
void Encode(const LinkReply& in, E::LinkResults::Builder out);
void Decode(E::LinkResults::Reader in, LinkReply& out);

void Encode(const RemoveRequest& in, E::RemoveParams::Builder out);
void Decode(E::RemoveParams::Reader in, RemoveRequest& out);
void Encode(const RemoveReply& in, E::RemoveResults::Builder out);
void Decode(E::RemoveResults::Reader in, RemoveReply& out);

void Encode(const RenameRequest& in, E::RenameParams::Builder out);
void Decode(E::RenameParams::Reader in, RenameRequest& out);
void Encode(const RenameReply& in, E::RenameResults::Builder out);
void Decode(E::RenameResults::Reader in, RenameReply& out);

void Encode(const WriteRequest& in, E::WriteParams::Builder out);
void Decode(E::WriteParams::Reader in, WriteRequest& out);
void Encode(const WriteReply& in, E::WriteResults::Builder out);
void Decode(E::WriteResults::Reader in, WriteReply& out);

void Encode(const AllocateRequest& in, E::AllocateParams::Builder out);
void Decode(E::AllocateParams::Reader in, AllocateRequest& out);
void Encode(const ChangeReply& in, E::AllocateResults::Builder out);
void Decode(E::AllocateResults::Reader in, ChangeReply& out);

void Encode(const CopyRequest& in, E::CopyParams::Builder out);
void Decode(E::CopyParams::Reader in, CopyRequest& out);
void Encode(const CopyReply& in, E::CopyResults::Builder out);
void Decode(E::CopyResults::Reader in, CopyReply& out);

void Encode(const SyncRequest& in, E::SyncParams::Builder out);
void Decode(E::SyncParams::Reader in, SyncRequest& out);
void Encode(const Reply& in, E::SyncResults::Builder out);
void Decode(E::SyncResults::Reader in, Reply& out);

void Encode(const SetXattrRequest& in, E::SetXattrParams::Builder out);
void Decode(E::SetXattrParams::Reader in, SetXattrRequest& out);
void Encode(const ChangeReply& in, E::SetXattrResults::Builder out);
void Decode(E::SetXattrResults::Reader in, ChangeReply& out);

void Encode(const LockRequest& in, E::LockParams::Builder out);
void Decode(E::LockParams::Reader in, LockRequest& out);
void Encode(const LockReply& in, E::LockResults::Builder out);
void Decode(E::LockResults::Reader in, LockReply& out);

void Encode(const ReleaseRequest& in, E::ReleaseParams::Builder out);
void Decode(E::ReleaseParams::Reader in, ReleaseRequest& out);
void Encode(const Reply& in, E::ReleaseResults::Builder out);
void Decode(E::ReleaseResults::Reader in, Reply& out);

void Encode(const Event& in, wire::Event::Builder out);
void Decode(wire::Event::Reader in, Event& out);

void Encode(const NextRequest& in, E::NextParams::Builder out);
void Decode(E::NextParams::Reader in, NextRequest& out);
void Encode(const NextReply& in, E::NextResults::Builder out);
void Decode(E::NextResults::Reader in, NextReply& out);

void Encode(const FenceRequest& in, E::FenceParams::Builder out);
void Decode(E::FenceParams::Reader in, FenceRequest& out);
void Encode(const Reply& in, E::FenceResults::Builder out);
void Decode(E::FenceResults::Reader in, Reply& out);

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_WIRE_H_
