@0xd6a1f3f2c1b7e845;

# The wire contract of warmfs: what a client and a host daemon say to each
# other. The meaning of each operation is in ops.h, the plain-value form of the
# same contract; the encoding of both is rpc/wire.
#
# Rules of evolution (docs/protocol.md): fields and methods are only appended,
# never renumbered or given a new meaning; each addition says why it is there; a
# behaviour that the other side must know of gets a feature bit in Hello. Golden
# messages of every released form are decoded in tests/rpc.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("warmfs::wire");

const protocolVersion :UInt32 = 1;

struct Hello {
  protocol @0 :UInt32;
  features @1 :UInt64;      # bit set, of the constants below
  software @2 :Text;        # name and version, for the logs
  instance @3 :UInt64;      # of a host: differs each time the daemon starts
}

# The host has a change journal: next and fence are there, and `lease` in list
# and lookup is understood.
const featureJournal :UInt64 = 1;
# listMany is there. A client that walks a tree would otherwise pay a round trip
# for each directory.
const featureListMany :UInt64 = 2;

struct JournalPos {
  journalId @0 :UInt64;
  sequence @1 :UInt64;
}

# First in every reply. A POSIX error is data here, never an exception:
# exceptions are for broken peers and broken connections.
struct Status {
  error @0 :Int32;          # Linux errno; 0 is success
  message @1 :Text;         # for a person; only login and attach fill it
  pos @2 :JournalPos;
}

struct Attr {
  id :group { hi @0 :UInt64; lo @1 :UInt64; }
  ino @2 :UInt64;
  size @3 :UInt64;
  blocks512 @4 :UInt64;
  rdev @5 :UInt64;
  mode @6 :UInt32;
  uid @7 :UInt32;
  gid @8 :UInt32;
  nlink @9 :UInt32;
  atime :group { sec @10 :Int64; nsec @11 :UInt32; }
  mtime :group { sec @12 :Int64; nsec @13 :UInt32; }
  ctime :group { sec @14 :Int64; nsec @15 :UInt32; }
  racy @16 :Bool;
}

struct NodeRef {
  path @0 :Data;            # names are bytes, not text
  id :group { hi @1 :UInt64; lo @2 :UInt64; }
}

struct Change {
  before @0 :Attr;
  after @1 :Attr;
}

struct Digest {
  hi @0 :UInt64;
  lo @1 :UInt64;
}

struct DirEntry {
  name @0 :Data;
  attr @1 :Attr;
  target @2 :Data;
}

struct Listing {
  status @0 :Status;
  dir @1 :Attr;
  unchanged @2 :Bool;
  consistent @3 :Bool;
  digest @4 :Digest;
  entries @5 :List(DirEntry);
  cursor @6 :UInt64;
  leased @7 :Bool;          # with featureJournal
}

# With featureListMany.
struct ListSpec {
  dir @0 :NodeRef;
  known @1 :Digest;
  lease @2 :Bool;
}

# With featureJournal; meanings in ops_journal.h.
struct Event {
  sequence @0 :UInt64;
  kind @1 :UInt16;
  own @2 :Bool;
  directory @3 :Bool;
  cookie @4 :UInt32;
  dir :group { hi @5 :UInt64; lo @6 :UInt64; }
  name @7 :Data;
  dirAttr @8 :Attr;         # absent: the directory is gone
  entry @9 :Attr;           # absent: nothing has this name
  target @10 :Data;
  taken :group { sec @11 :Int64; nsec @12 :UInt32; }
}

struct ReadSpec {
  node @0 :NodeRef;
  firstBlock @1 :UInt64;
  blockCount @2 :UInt32;
  knownHashes @3 :List(UInt64);
}

struct FileRead {
  error @0 :Int32;
  attr @1 :Attr;
  stable @2 :Bool;
  blocks @3 :List(Block);

  struct Block {
    union {
      bytes @0 :Data;
      unchanged @1 :Void;
    }
  }
}

struct TimeOrNow {
  union {
    omit @0 :Void;
    now @1 :Void;
    time :group { sec @2 :Int64; nsec @3 :UInt32; }
  }
}

struct OptionalUInt32 {
  union {
    none @0 :Void;
    value @1 :UInt32;
  }
}

struct Lock {
  owner @0 :UInt64;
  kind @1 :Kind;
  type @2 :Type;
  start @3 :UInt64;
  length @4 :UInt64;
  pid @5 :UInt32;

  enum Kind { posix @0; flock @1; }
  enum Type { read @0; write @1; unlock @2; }
}

struct ExportInfo {
  name @0 :Text;
  readOnly @1 :Bool;
  root :group { hi @2 :UInt64; lo @3 :UInt64; }
  identity @4 :Data;
  hostUid @5 :UInt32;
  hostGid @6 :UInt32;
}

# What a new connection is given. Nothing but these two can be asked of it.
interface Host {
  hello @0 (client :Hello) -> (host :Hello);
  # clientId: 16 random bytes, the same on all connections of one client
  # process; orphans and locks belong to it.
  login @1 (token :Data, clientId :Data)
      -> (status :Status, session :Session, incarnation :UInt64);
  # incarnation: of what the host holds for this client. Another number than
  # before: the host was restarted, or had forgotten the client, and its orphans
  # and locks are gone. Without it the client could not tell. Never 0.
}

interface Session {
  attach @0 (export :Text) -> (status :Status, export :Export, info :ExportInfo);
}

# One exported tree. Holding this capability is the permission to use it.
interface Export {
  getAttr @0 (node :NodeRef) -> (status :Status, attr :Attr);
  lookup @1 (dir :NodeRef, name :Data, lease :Bool)
      -> (status :Status, entry :Attr, target :Data, dir :Attr, leased :Bool);
  list @2 (dir :NodeRef, known :Digest, lease :Bool) -> (page :Listing);
  listMore @3 (cursor :UInt64) -> (page :Listing);
  readLink @4 (node :NodeRef) -> (status :Status, target :Data);
  read @5 (files :List(ReadSpec)) -> (status :Status, files :List(FileRead));
  seek @6 (node :NodeRef, offset :UInt64, hole :Bool) -> (status :Status, offset :UInt64);
  statFs @7 (node :NodeRef) -> (status :Status, blockBytes :UInt64, blocks :UInt64,
      blocksFree :UInt64, blocksAvailable :UInt64, files :UInt64, filesFree :UInt64,
      nameMax :UInt32);
  getXattr @8 (node :NodeRef, name :Data) -> (status :Status, value :Data);

  setAttr @9 (node :NodeRef, mode :OptionalUInt32, uid :OptionalUInt32, gid :OptionalUInt32,
      setSize :Bool, size :UInt64, atime :TimeOrNow, mtime :TimeOrNow)
      -> (status :Status, node :Change);
  create @10 (dir :NodeRef, name :Data, mode :UInt32, uid :OptionalUInt32, gid :OptionalUInt32,
      target :Data, exclusive :Bool, retry :Bool)
      -> (status :Status, entry :Attr, existed :Bool, dir :Change);
  link @11 (node :NodeRef, dir :NodeRef, name :Data, retry :Bool)
      -> (status :Status, entry :Attr, dir :Change);
  remove @12 (dir :NodeRef, name :Data, directory :Bool, keepOrphan :Bool, retry :Bool)
      -> (status :Status, removed :Attr, dir :Change);
  rename @13 (fromDir :NodeRef, fromName :Data, toDir :NodeRef, toName :Data, flags :UInt32,
      expected :NodeRef, keepOrphan :Bool, retry :Bool)
      -> (status :Status, moved :Attr, other :Attr, fromDir :Change, toDir :Change,
          unsettled :Bool);
  write @14 (node :NodeRef, offset :UInt64, data :Data, append :Bool, retry :Bool)
      -> (status :Status, written :UInt32, node :Change);
  allocate @15 (node :NodeRef, mode :Int32, offset :UInt64, length :UInt64)
      -> (status :Status, node :Change);
  copy @16 (from :NodeRef, fromOffset :UInt64, to :NodeRef, toOffset :UInt64, length :UInt64)
      -> (status :Status, copied :UInt64, to :Change);
  sync @17 (node :NodeRef, dataOnly :Bool) -> (status :Status);
  setXattr @18 (node :NodeRef, name :Data, remove :Bool, value :Data, flags :Int32)
      -> (status :Status, node :Change);
  lock @19 (node :NodeRef, lock :Lock, test :Bool) -> (status :Status, lock :Lock);
  # Each orphan: hi, then lo.
  release @20 (orphans :List(UInt64)) -> (status :Status);

  # --- with featureJournal ---
  # The answer comes when there are events, or after waitMs.
  next @21 (after :JournalPos, maxEvents :UInt32, waitMs :UInt32)
      -> (status :Status, newEpoch :Bool, events :List(Event),
          watches :UInt64, refused :UInt64, overflows :UInt64);
  fence @22 () -> (status :Status);

  # --- with featureListMany ---
  listMany @23 (dirs :List(ListSpec), mostEntries :UInt32)
      -> (status :Status, pages :List(Listing));
}
