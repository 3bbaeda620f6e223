#include "hostd/win32/usn_volume.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hostd/name_mapping.h"
#include "hostd/usn_layout.h"
#include "hostd/usn_volume.h"
#include "hostd/win32/handle.h"
// After windows.h.
#include <winioctl.h>

namespace warmfs::hostd {
namespace {

// --- what mingw-w64's headers lack, as Windows' documentation has it ---

constexpr DWORD kReadUnprivileged = 0x000903ab;

struct ReadJournal {  // READ_USN_JOURNAL_DATA_V1
  int64_t start;
  uint32_t reasons;
  uint32_t only_on_close;
  uint64_t timeout;
  uint64_t bytes_to_wait_for;
  uint64_t journal;
  uint16_t least_version;
  uint16_t most_version;
};
static_assert(sizeof(ReadJournal) == 48);

struct RecordV3 {  // USN_RECORD_V3
  DWORD length;
  WORD major, minor;
  BYTE file[16], parent[16];
  USN usn;
  LARGE_INTEGER time;
  DWORD reasons, source, security, attributes;
  WORD name_length, name_offset;
  WCHAR name[1];
};

struct FileIdDescriptor {  // FILE_ID_DESCRIPTOR
  DWORD size;
  DWORD type;
  BYTE id[16];
};
static_assert(sizeof(FileIdDescriptor) == sizeof(FILE_ID_DESCRIPTOR));
constexpr DWORD kFileIdType = 0, kExtendedFileIdType = 2;

// --- the layout that usn_record.cc reads by ---

static_assert(offsetof(USN_RECORD, RecordLength) == kUsnRecordLength);
static_assert(offsetof(USN_RECORD, MajorVersion) == kUsnMajorVersion);
static_assert(offsetof(USN_RECORD, FileReferenceNumber) == kUsnLayout2.file);
static_assert(offsetof(USN_RECORD, ParentFileReferenceNumber) ==
              kUsnLayout2.parent);
static_assert(offsetof(USN_RECORD, Usn) == kUsnLayout2.usn);
static_assert(offsetof(USN_RECORD, Reason) == kUsnLayout2.reasons);
static_assert(offsetof(USN_RECORD, FileAttributes) == kUsnLayout2.attributes);
static_assert(offsetof(USN_RECORD, FileNameLength) == kUsnLayout2.name_length);
static_assert(offsetof(USN_RECORD, FileNameOffset) == kUsnLayout2.name_offset);
static_assert(offsetof(USN_RECORD, FileName) == kUsnLayout2.name);
static_assert(offsetof(RecordV3, length) == kUsnRecordLength);
static_assert(offsetof(RecordV3, major) == kUsnMajorVersion);
static_assert(offsetof(RecordV3, file) == kUsnLayout3.file);
static_assert(offsetof(RecordV3, parent) == kUsnLayout3.parent);
static_assert(offsetof(RecordV3, usn) == kUsnLayout3.usn);
static_assert(offsetof(RecordV3, reasons) == kUsnLayout3.reasons);
static_assert(offsetof(RecordV3, attributes) == kUsnLayout3.attributes);
static_assert(offsetof(RecordV3, name_length) == kUsnLayout3.name_length);
static_assert(offsetof(RecordV3, name_offset) == kUsnLayout3.name_offset);
static_assert(offsetof(RecordV3, name) == kUsnLayout3.name);

constexpr size_t kBufferBytes = 64 * 1024;
constexpr absl::Duration kLook = absl::Milliseconds(10);
constexpr DWORD kShareAll =
    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

UniqueFd Open(const std::wstring& path, ACCESS_MASK access) {
  const HANDLE handle =
      CreateFileW(path.c_str(), access, kShareAll, nullptr, OPEN_EXISTING,
                  FILE_FLAG_BACKUP_SEMANTICS, nullptr);
  return handle == INVALID_HANDLE_VALUE ? UniqueFd() : FromHandle(handle);
}

// "\\?\Volume{...}", without a backslash at the end.
std::wstring VolumeName(int root) {
  std::wstring path(32 * 1024, L'\0');
  path.resize(GetFinalPathNameByHandleW(ToHandle(root), path.data(),
                                        static_cast<DWORD>(path.size()),
                                        VOLUME_NAME_GUID));
  const size_t end = path.find(L'\\', 4);
  return end == path.npos ? L"" : path.substr(0, end);
}

class WindowsUsnVolume final : public UsnVolume {
 public:
  // `volume`: what the journal is asked of, with this code.
  WindowsUsnVolume(int root, UniqueFd volume, DWORD read_code)
      : root_(root),
        volume_(std::move(volume)),
        read_code_(read_code),
        wake_(FromHandle(CreateEventW(nullptr, FALSE, FALSE, nullptr))) {
    ReadId(root_, &root_id_);
  }
  int Query(Journal* out) override {
    USN_JOURNAL_DATA data{};
    DWORD size = 0;
    if (!DeviceIoControl(ToHandle(volume_.get()), FSCTL_QUERY_USN_JOURNAL,
                         nullptr, 0, &data, sizeof(data), &size, nullptr)) {
      return static_cast<int>(GetLastError());
    }
    *out = {data.UsnJournalID, std::max(data.FirstUsn, data.LowestValidUsn),
            data.NextUsn};
    return 0;
  }

  int Read(uint64_t journal, int64_t from, std::string* bytes) override {
    ReadJournal how{};
    how.start = from;
    how.reasons = ~0u;
    how.journal = journal;
    how.least_version = 2;
    how.most_version = 3;
    bytes->resize(kBufferBytes);
    DWORD size = 0;
    if (!DeviceIoControl(ToHandle(volume_.get()), read_code_, &how, sizeof(how),
                         bytes->data(), kBufferBytes, &size, nullptr)) {
      return static_cast<int>(GetLastError());
    }
    bytes->resize(size);
    return 0;
  }

  std::optional<std::string> PathOf(const FileRef& object) override {
    // 64 bits of NTFS, 128 of ReFS.
    const bool is_long = std::any_of(object.begin() + 8, object.end(),
                                     [](uint8_t b) { return b != 0; });
    FileIdDescriptor id{
        sizeof(id), is_long ? kExtendedFileIdType : kFileIdType, {}};
    std::memcpy(id.id, object.data(), sizeof(id.id));
    const HANDLE handle = OpenFileById(
        ToHandle(root_), reinterpret_cast<FILE_ID_DESCRIPTOR*>(&id), 0,
        kShareAll, nullptr,
        FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
    if (handle == INVALID_HANDLE_VALUE) return std::nullopt;
    return BeneathRoot(hostd::PathOf(FromHandle(handle).get()));
  }

  FileId IdOf(const FileRef& object) const override {
    ObjectId id;
    id.volume = root_id_.volume;
    std::memcpy(id.id, object.data(), sizeof(id.id));
    return ToFileId(id);
  }

  bool Exists(const std::string& path) override {
    std::wstring wide;
    for (size_t begin = 0; begin <= path.size();) {
      const size_t end = std::min(path.find('/', begin), path.size());
      std::wstring name;
      if (HostName(path.substr(begin, end - begin), &name) != 0) return false;
      wide += (wide.empty() ? L"" : L"\\") + name;
      begin = end + 1;
    }
    OpenHow how;
    how.any_case = true;
    UniqueFd found;
    return OpenRelative(root_, wide, how, &found) == 0;
  }

  // The journal can be waited for by a read only, which nothing can end.
  void Wait(int64_t next, absl::Duration timeout) override {
    for (; timeout > absl::ZeroDuration(); timeout -= kLook) {
      Journal journal;
      if (Query(&journal) != 0 || journal.next != next) return;
      const auto millis = static_cast<DWORD>(
          absl::ToInt64Milliseconds(std::min(timeout, kLook)));
      if (WaitForSingleObject(ToHandle(wake_.get()), millis) == WAIT_OBJECT_0) {
        return;
      }
    }
  }
  void Wake() override { SetEvent(ToHandle(wake_.get())); }

 private:
  // As clients have it, of a path on the volume.
  std::optional<std::string> BeneathRoot(const std::wstring& path) const {
    std::wstring root = hostd::PathOf(root_);
    if (path.empty() || root.empty()) return std::nullopt;
    if (SameLetters(path, root)) return "";
    if (root.back() != L'\\') root += L'\\';
    if (!SameLetters(path.substr(0, root.size()), root)) return std::nullopt;
    std::string out;
    for (size_t begin = root.size(); begin <= path.size();) {
      const size_t end = std::min(path.find(L'\\', begin), path.size());
      const auto name = FromWindowsName(
          std::u16string(path.begin() + begin, path.begin() + end));
      if (!name) return std::nullopt;
      out += (out.empty() ? "" : "/") + *name;
      begin = end + 1;
    }
    return out;
  }

  const int root_;
  const UniqueFd volume_;
  const DWORD read_code_;
  const UniqueFd wake_;
  ObjectId root_id_;
};

absl::StatusOr<std::unique_ptr<UsnVolume>> OpenVolume(int root) {
  const std::wstring name = VolumeName(root);
  // The whole volume, which an administrator may read; and what anybody may.
  struct Way {
    std::wstring path;
    ACCESS_MASK access;
    DWORD code;
  };
  const Way ways[] = {
      {name, GENERIC_READ, FSCTL_READ_USN_JOURNAL},
      {name, FILE_TRAVERSE | SYNCHRONIZE, kReadUnprivileged},
      {name + L"\\", FILE_READ_ATTRIBUTES | FILE_TRAVERSE | SYNCHRONIZE,
       kReadUnprivileged},
  };
  std::unique_ptr<UsnVolume> last;
  for (const Way& way : ways) {
    UniqueFd volume = Open(way.path, way.access);
    if (!volume) continue;
    last =
        std::make_unique<WindowsUsnVolume>(root, std::move(volume), way.code);
    UsnVolume::Journal journal;
    std::string bytes;
    if (last->Query(&journal) == 0 &&
        last->Read(journal.id, journal.next, &bytes) == 0) {
      return last;
    }
  }
  if (last != nullptr) return last;
  return absl::UnavailableError(absl::StrCat(
      "the volume cannot be opened (Windows error ", GetLastError(), ")"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<UsnSource>> OpenUsnSource(
    int root, const std::string& cursor) {
  auto volume = OpenVolume(root);
  if (!volume.ok()) return volume.status();
  return UsnSource::Create(*std::move(volume), cursor);
}

}  // namespace warmfs::hostd
