// What hostd asks of the system's files, beneath all rules of its own: one
// function for one act on an object that is pinned already, or on a name in a
// directory that is. posix/ and win32/ have one implementation each; which one
// is a matter of the build.
//
// A descriptor is whatever the system names an open object by: on Windows a
// handle, of which 32 bits are significant. A pin (O_PATH there) holds the
// object and opens nothing. Names are one component that has passed CheckName.
//
// Thread-safe. Functions answer a Linux errno (schema/linux_abi.h), 0 on
// success.

#ifndef WARMFS_HOSTD_FILE_H_
#define WARMFS_HOSTD_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schema/ops.h"
#include "schema/unique_fd.h"

namespace warmfs::hostd {

enum class Access { kRead, kWrite, kReadWrite };

// --- pins, and what is opened of them ---
int Duplicate(int fd, UniqueFd* out);
int OpenPinned(int pin, Access access, UniqueFd* out);
int OpenPinnedDirectory(int pin, UniqueFd* out);
// EACCES if what is in the directory may not be looked at.
int MaySearch(int directory);
// Of an object that is about to lose its name: what it can be read and written
// by afterwards. The pin itself, where that is enough.
void PinForLater(UniqueFd* pin);
// Can the host's programs delete and replace what is pinned as they can
// otherwise? On Windows a name may stay until the last handle is closed.
bool PinsAreUnnoticed();

// Whom objects of the host belong to that nothing else is known of.
struct HostUser {
  uint32_t uid = 0;
  uint32_t gid = 0;
};
HostUser CurrentHostUser();
// Does a new object have the mode that it was made with? If not, it is given it
// afterwards.
bool ModesAreKept();

// --- content ---
// At the end of the file `*done` is less than asked for.
int ReadAt(int fd, uint64_t offset, char* buffer, size_t bytes, size_t* done);
// All of it, or an error; an error after some bytes is told by their number.
int WriteAt(int fd, uint64_t offset, std::string_view data, size_t* done);
// At the end as it is then, in one step.
int AppendTo(int fd, std::string_view data, size_t* done);
int SetSize(int fd, uint64_t bytes);
// Linux's modes, checked by the caller.
int AllocateRange(int fd, int mode, uint64_t offset, uint64_t length);
int FindData(int fd, uint64_t offset, bool hole, uint64_t* found);
// EOPNOTSUPP: there is no way but to read and write; nothing was copied then.
int CopyWithin(int from, uint64_t from_offset, int to, uint64_t to_offset,
               uint64_t length, uint64_t* copied);
int Flush(int fd, bool data_only);

// --- attributes, by a pin ---
int SetTimes(int fd, const std::optional<TimeOrNow>& atime,
             const std::optional<TimeOrNow>& mtime);
int ReadFileSystem(int fd, StatFsReply* out);
// `name` empty: of the link itself behind `fd`.
int ReadTarget(int fd, const std::string& name, std::string* out);
// Names each ended by NUL, those of the host's own among them.
int ListXattrs(int fd, std::string* out);
int ReadXattr(int fd, const std::string& name, std::string* out);
int WriteXattr(int fd, const SetXattrRequest& request);

// --- names ---
// Makes what the request says; a file is left open for reading and writing.
int MakeEntry(int dir, const std::string& name, const CreateRequest& request,
              UniqueFd* file);
int LinkEntry(int pin, int dir, const std::string& name);
int RemoveEntry(int dir, const std::string& name, bool directory);
int RenameEntry(int from_dir, const std::string& from, int to_dir,
                const std::string& to, uint32_t flags);

}  // namespace warmfs::hostd

#endif  // WARMFS_HOSTD_FILE_H_
