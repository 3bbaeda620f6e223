// DirReader by GetFileInformationByHandleEx.

#include "hostd/dir_reader.h"

#include <cstddef>
#include <cstring>
#include <utility>

#include "hostd/name_mapping.h"
#include "hostd/win32/handle.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

// Before the first name, where the next call starts anew.
constexpr size_t kRestart = SIZE_MAX;

}  // namespace

DirReader::DirReader(UniqueFd fd)
    : fd_(std::move(fd)),
      buffer_(std::make_unique<char[]>(kBufferBytes)),
      next_(kRestart),
      end_(kRestart) {}

int DirReader::Next(std::string* name) {
  name->clear();
  while (name->empty()) {
    if (next_ == end_) {
      const auto which = next_ == kRestart ? FileIdBothDirectoryRestartInfo
                                           : FileIdBothDirectoryInfo;
      if (!GetFileInformationByHandleEx(ToHandle(fd_.get()), which,
                                        buffer_.get(), kBufferBytes)) {
        const DWORD error = GetLastError();
        if (error == ERROR_NO_MORE_FILES) {
          next_ = end_ = 0;
          return 0;
        }
        return error == ERROR_FILE_NOT_FOUND ? kESTALE : ErrnoOf(error);
      }
      next_ = 0;
      end_ = kBufferBytes;
    }
    // Records that the system made; the last has no next.
    FILE_ID_BOTH_DIR_INFO record;
    constexpr size_t kHead = offsetof(FILE_ID_BOTH_DIR_INFO, FileName);
    std::memcpy(&record, buffer_.get() + next_, kHead);
    const std::u16string_view found(
        reinterpret_cast<const char16_t*>(buffer_.get() + next_ + kHead),
        record.FileNameLength / sizeof(char16_t));
    next_ = record.NextEntryOffset == 0 ? end_ : next_ + record.NextEntryOffset;
    if (IsHostFolder(std::wstring(found.begin(), found.end()))) continue;
    // "." and ".." too have no form that a client could ask for.
    *name = FromWindowsName(found).value_or("");
  }
  return 0;
}

int DirReader::Rewind() {
  next_ = end_ = kRestart;
  return 0;
}

}  // namespace warmfs::hostd
