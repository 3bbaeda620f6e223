// The overlay in an alternate stream of the object, on file systems that have
// streams (NTFS, ReFS); elsewhere in a file in hostd's folder, by the object's
// FileId: one line for each change, the last one holds.

#include <charconv>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "hostd/file.h"
#include "hostd/overlay.h"
#include "hostd/resolve.h"
#include "hostd/win32/aside.h"
#include "hostd/win32/handle.h"
#include "schema/linux_abi.h"

namespace warmfs::hostd {
namespace {

constexpr wchar_t kStream[] = L":warmfs.attr";
constexpr wchar_t kSideFile[] = L"modes";
constexpr ULONG kOverwriteIf = 5;

bool HasStreams(int fd) {
  DWORD flags = 0;
  return GetVolumeInformationByHandleW(ToHandle(fd), nullptr, 0, nullptr,
                                       nullptr, &flags, nullptr, 0) &&
         (flags & FILE_NAMED_STREAMS) != 0;
}

// A stream's change would count as one of the content: the times stay.
class KeptTimes {
 public:
  explicit KeptTimes(int fd) {
    OpenRelative(fd, L"",
                 {.access = FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES},
                 &fd_);
    known_ =
        fd_ && GetFileInformationByHandleEx(ToHandle(fd_.get()), FileBasicInfo,
                                            &info_, sizeof(info_));
    info_.ChangeTime.QuadPart = 0;  // that it was changed is to be seen
    info_.FileAttributes = 0;
  }
  ~KeptTimes() {
    if (!known_) return;
    SetFileInformationByHandle(ToHandle(fd_.get()), FileBasicInfo, &info_,
                               sizeof(info_));
  }

 private:
  UniqueFd fd_;
  FILE_BASIC_INFO info_{};
  bool known_ = false;
};

int WriteStream(int fd, const std::string& text) {
  const KeptTimes kept(fd);
  OpenHow how{.access = GENERIC_WRITE, .disposition = kOverwriteIf};
  how.any_case = true;
  UniqueFd stream;
  size_t done = 0;
  const int error = OpenRelative(fd, kStream, how, &stream);
  return error != 0 ? error : WriteAt(stream.get(), 0, text, &done);
}

std::string ReadStream(int fd) {
  OpenHow how{.access = GENERIC_READ};
  how.any_case = true;
  UniqueFd stream;
  std::string text(kMaxOverlayBytes, '\0');
  size_t size = 0;
  const bool read =
      OpenRelative(fd, kStream, how, &stream) == 0 &&
      ReadAt(stream.get(), 0, text.data(), text.size(), &size) == 0;
  text.resize(read ? size : 0);
  return text;
}

bool TakeHex(std::string_view digits, uint64_t* out) {
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, *out, 16);
  return error == std::errc() && stop == end;
}

}  // namespace

// Thread-safe. Owns its file.
class Overlay::SideStore {
 public:
  explicit SideStore(int root) {
    UniqueFd folder;
    OpenHow how{.access = GENERIC_READ | GENERIC_WRITE, .disposition = 3};
    if (OpenHostFolder(root, &folder) != 0) return;
    if (OpenRelative(folder.get(), kSideFile, how, &file_) == 0) Load();
  }

  std::string Find(const FileId& id) const {
    absl::MutexLock lock(&mu_);
    const auto it = texts_.find(id);
    return it == texts_.end() ? "" : it->second;
  }

  // `text` empty: no longer.
  int Put(const FileId& id, const std::string& text) {
    const std::string line = absl::StrCat(id.ToString(), " ", text, "\n");
    absl::MutexLock lock(&mu_);
    if (!file_) return kEROFS;
    size_t done = 0;
    if (const int error = AppendTo(file_.get(), line, &done)) return error;
    Take(id, text);
    return 0;
  }

 private:
  void Take(const FileId& id, const std::string& text)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (text.empty()) {
      texts_.erase(id);
    } else {
      texts_[id] = text;
    }
  }

  // A line that a crash has cut short is of no object.
  void Load() {
    absl::MutexLock lock(&mu_);
    LARGE_INTEGER size{};
    GetFileSizeEx(ToHandle(file_.get()), &size);
    std::string all(static_cast<size_t>(size.QuadPart), '\0');
    size_t done = 0;
    ReadAt(file_.get(), 0, all.data(), all.size(), &done);
    std::string_view rest(all.data(), done);
    constexpr size_t kIdDigits = 32;
    while (!rest.empty()) {
      const size_t end = rest.find('\n');
      if (end == rest.npos) return;
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end + 1);
      FileId id;
      if (line.size() <= kIdDigits || line[kIdDigits] != ' ' ||
          !TakeHex(line.substr(0, 16), &id.hi) ||
          !TakeHex(line.substr(16, 16), &id.lo)) {
        continue;
      }
      Take(id, std::string(line.substr(kIdDigits + 1)));
    }
  }

  UniqueFd file_;
  mutable absl::Mutex mu_;
  absl::flat_hash_map<FileId, std::string> texts_ ABSL_GUARDED_BY(mu_);
};

Overlay::Overlay(bool enabled, int root) : enabled_(enabled) {
  if (enabled && root != -1 && !HasStreams(root)) {
    side_ = std::make_shared<SideStore>(root);
  }
}

void Overlay::Apply(int fd, Attr* attr) const {
  if (!Carries(*attr)) return;
  const std::string text =
      side_ != nullptr ? side_->Find(attr->id) : ReadStream(fd);
  if (!text.empty()) ApplyOverlay(text, attr);
}

void Overlay::ApplyToEntry(int dir, const std::string& name, Attr* attr) const {
  if (!Carries(*attr)) return;
  UniqueFd fd;
  if (side_ != nullptr || OpenChild(dir, name, &fd) == 0) Apply(fd.get(), attr);
}

int Overlay::Store(int fd, const OwnerMode& wanted, const Attr& real) const {
  if (!Carries(real)) return kEPERM;
  const std::string text = EncodeOverlay(wanted, OwnerMode::Of(real));
  const int error =
      side_ != nullptr ? side_->Put(real.id, text) : WriteStream(fd, text);
  return error == 0 ? 0 : kEPERM;
}

void Overlay::Clear(int fd, const Attr& real) const {
  if (!Carries(real)) return;
  if (side_ != nullptr) {
    if (!side_->Find(real.id).empty()) side_->Put(real.id, "");
  } else if (!ReadStream(fd).empty()) {
    WriteStream(fd, "");
  }
}

}  // namespace warmfs::hostd
