// What an event of the host's journal means: the pure function from what the
// client knows and what the host says to what is to be done.
//
// Events are applied as states, not as steps: what counts is what is there now.
// An event that tells what is known already changes nothing, so replaying
// events after a crash is harmless. Whether an event is raised for the watchers
// of this kernel is another question: it is, unless the client's own work
// caused it (Event::own), which this kernel has told its watchers of by itself.
//
// Which is newer, the event's state or what is known? Events among themselves
// are in order: over what an earlier event told, a later one is newer. Against
// what a reply told (told_by_event false, names_by_reply), the change time
// decides; a reply may have overtaken the event. Where it cannot decide (two
// changes within one tick of the host's clock, a clock that was set back),
// nothing is believed: the client asks again (of a file that the kernel does
// not hold: by listing its directory, if the event is older). For the client's
// own echo an older state is the rule, not a doubt: the reply to its next
// change has come already.
//
// Stateless, thread-safe, no I/O.

#ifndef WARMFS_FUSE_DECIDE_H_
#define WARMFS_FUSE_DECIDE_H_

#include <optional>

#include "cache/cache.h"
#include "schema/ops_journal.h"
#include "schema/types.h"

namespace warmfs::fuse {

// Attributes that the client holds.
struct KnownAttr {
  Attr attr;
  bool told_by_event = false;
};

// What the client knows of an event's subjects.
struct Known {
  bool dir_held = false;  // the kernel knows the directory
  // It is about to be listed again, and the differences found are raised then.
  bool dir_missed_events = false;
  std::optional<KnownAttr> dir;
  bool names_by_reply = false;  // and not by events
  // What the name stands for, and the attributes of that.
  cache::Presence name = cache::Presence::kUnknown;
  std::optional<Attr> old;
  // The object that the event tells of, if it has one.
  bool entry_held = false;
  std::optional<KnownAttr> entry;
};

enum class Drop { kNothing, kAttr, kAttrAndPages };

struct Decision {
  // --- the cache and the tree ---
  enum class Name { kKeep, kSet, kRemove };
  Name name = Name::kKeep;
  bool take_entry = false;  // its attributes
  bool take_dir = false;
  bool forget_old = false;   // it had no other name
  bool drop_blocks = false;  // the version does not tell that they are old
  bool doubt_names = false;  // list the directory again before use
  bool doubt_entry = false;  // ask for the attributes again
  // --- the kernel ---
  bool drop_name = false;
  Drop drop_entry = Drop::kNothing;
  Drop drop_dir = Drop::kNothing;
  // --- watchers ---
  bool raise = false;

  // Something that the client knew was not so.
  bool Changes() const {
    return name != Name::kKeep || take_entry || take_dir || drop_blocks ||
           doubt_names || doubt_entry;
  }
  bool operator==(const Decision&) const = default;
};

Decision Decide(const Known& known, const Event& event);

// The same in all that a client shows, but for the access time.
bool SameAttr(const Attr& a, const Attr& b);

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_DECIDE_H_
