#include "hostd/win32/directory_changes.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "hostd/change_queue.h"
#include "hostd/name_mapping.h"
#include "hostd/notify_record.h"
#include "hostd/random.h"
#include "hostd/win32/aside.h"
#include "hostd/win32/handle.h"
#include "hostd/win32/rename.h"

namespace warmfs::hostd {
namespace {

// The system keeps as much while hostd is at work on what is in the other one.
// Of a drive of the network, 64 KiB at most.
constexpr DWORD kBufferBytes = 1024 * 1024, kNetworkBufferBytes = 64 * 1024;
constexpr DWORD kFilter =
    FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME |
    FILE_NOTIFY_CHANGE_ATTRIBUTES | FILE_NOTIFY_CHANGE_SIZE |
    FILE_NOTIFY_CHANGE_LAST_WRITE | FILE_NOTIFY_CHANGE_CREATION;
constexpr DWORD kTrialMillis = 2000;
constexpr ULONG kCreate = 2;
constexpr ULONG kDeleteOnClose = 0x1000;  // FILE_DELETE_ON_CLOSE

// ReadDirectoryChangesExW; not in all headers.
using ReadExtended = BOOL WINAPI(HANDLE, void*, DWORD, BOOL, DWORD, DWORD*,
                                 OVERLAPPED*, LPOVERLAPPED_COMPLETION_ROUTINE,
                                 int);
constexpr int kExtendedInformation = 2;

ReadExtended* FindReadExtended() {
  const HMODULE kernel = GetModuleHandleW(L"kernel32.dll");
  return reinterpret_cast<ReadExtended*>(reinterpret_cast<void*>(
      GetProcAddress(kernel, "ReadDirectoryChangesExW")));
}

std::wstring Wide(const std::u16string& text) {
  return {text.begin(), text.end()};
}

// The path as clients have it. False: it is none that they could ask for.
bool ToClients(const std::wstring& path, std::string* dir, std::string* name) {
  dir->clear();
  name->clear();
  for (size_t start = 0; start <= path.size();) {
    const size_t slash = std::min(path.find(L'\\', start), path.size());
    const std::wstring part = path.substr(start, slash - start);
    const auto mapped =
        FromWindowsName(std::u16string(part.begin(), part.end()));
    if (!mapped || mapped->empty() || IsHostFolder(part)) return false;
    if (!name->empty()) *dir += (dir->empty() ? "" : "/") + *name;
    *name = *mapped;
    start = slash + 1;
  }
  return true;
}

ChangeKind KindOf(uint32_t action) {
  switch (action) {
    case NotifyRecord::kAdded:
      return ChangeKind::kCreated;
    case NotifyRecord::kRemoved:
      return ChangeKind::kRemoved;
    case NotifyRecord::kRenamedOld:
      return ChangeKind::kMovedFrom;
    case NotifyRecord::kRenamedNew:
      return ChangeKind::kMovedTo;
    default:
      return ChangeKind::kModified;
  }
}

class DirectoryChanges final : public SubtreeSource {
 public:
  explicit DirectoryChanges(int root)
      : root_(root),
        prefix_(std::wstring(kHostFolder) + L"\\" +
                std::to_wstring(RandomNumber()) + L'-'),
        read_extended_(FindReadExtended()) {}

  absl::Status Start() {
    stop_ = FromHandle(CreateEventW(nullptr, TRUE, FALSE, nullptr));
    done_ = FromHandle(CreateEventW(nullptr, TRUE, FALSE, nullptr));
    DWORD error = Open();
    if (error == 0) {
      TryARename();
      Close();
      error = Open();
    }
    if (error != 0) {
      return absl::UnavailableError(absl::StrCat(
          "changes cannot be listened for (Windows error ", error, ")"));
    }
    reader_ = std::thread([this] { Read(); });
    return absl::OkStatus();
  }

  ~DirectoryChanges() override {
    if (!reader_.joinable()) return;
    SetEvent(ToHandle(stop_.get()));
    reader_.join();
  }

  // --- SubtreeSource ---
  int PlaceMarker(uint64_t number) override {
    {
      absl::MutexLock lock(&mu_);
      under_way_.push_back(number);
    }
    const int error = MakeFile(prefix_ + std::to_wstring(number));
    if (error == 0) return 0;
    absl::MutexLock lock(&mu_);
    std::erase(under_way_, number);
    return error;
  }
  void Wait(absl::Duration timeout) override { queue_.Wait(timeout); }
  void Wake() override { queue_.Wake(); }
  void Take(std::vector<Change>* out) override { queue_.Take(out); }

 private:
  // --- files in hostd's own folder ---
  int MakeFile(const std::wstring& path) const {
    UniqueFd folder, file;
    if (const int error = OpenHostFolder(root_, &folder)) return error;
    return OpenRelative(root_, path,
                        {.access = DELETE,
                         .disposition = kCreate,
                         .options = FILE_NON_DIRECTORY_FILE | kDeleteOnClose,
                         .any_case = true},
                        &file);
  }

  // What is beneath a directory that was renamed: told under which path? With a
  // handle of its own, since a file system that goes by old paths (Wine) takes
  // the next object of this one's number for it. Where it cannot be tried,
  // nothing can be changed either, or the system is none of those.
  void TryARename() {
    UniqueFd folder, dir;
    OpenHow how{.access = DELETE | FILE_LIST_DIRECTORY,
                .disposition = kCreate,
                .options = FILE_DIRECTORY_FILE | kDeleteOnClose,
                .any_case = true};
    if (OpenHostFolder(root_, &folder) != 0 ||
        OpenRelative(root_, prefix_ + L"old", how, &dir) != 0) {
      return;
    }
    const std::wstring renamed = LastPart(prefix_) + L"new";
    if (RenameHandle(dir.get(), folder.get(), renamed, Replace::kNo) != 0 ||
        MakeFile(prefix_ + L"new\\file") != 0) {
      return;
    }
    while (!tried_ && WaitForSingleObject(ToHandle(done_.get()),
                                          kTrialMillis) == WAIT_OBJECT_0) {
      std::vector<Change> none;
      TakeApart(Rearm().told, &none);
    }
  }

  // --- the reader ---
  // A Windows error, 0 on success.
  DWORD Open() {
    if (OpenRelative(root_, L"",
                     {.access = FILE_LIST_DIRECTORY,
                      .options = FILE_DIRECTORY_FILE,
                      .overlapped = true},
                     &handle_) != 0) {
      return ERROR_ACCESS_DENIED;
    }
    return Arm();
  }

  DWORD Arm() {
    const DWORD error = ArmWith(buffer_bytes_);
    const bool too_large = error == ERROR_INVALID_PARAMETER;
    if (!too_large || buffer_bytes_ == kNetworkBufferBytes) return error;
    buffer_bytes_ = kNetworkBufferBytes;
    return ArmWith(buffer_bytes_);
  }
  DWORD ArmWith(DWORD bytes) {
    io_ = {};
    io_.hEvent = ToHandle(done_.get());
    char* const into = buffers_[armed_].data();
    const HANDLE handle = ToHandle(handle_.get());
    const BOOL armed =
        read_extended_ != nullptr
            ? read_extended_(handle, into, bytes, TRUE, kFilter, nullptr, &io_,
                             nullptr, kExtendedInformation)
            : ReadDirectoryChangesW(handle, into, bytes, TRUE, kFilter, nullptr,
                                    &io_, nullptr);
    return armed ? 0 : GetLastError();
  }

  void Read() {
    const HANDLE events[] = {ToHandle(stop_.get()), ToHandle(done_.get())};
    while (WaitForMultipleObjects(2, events, FALSE, INFINITE) !=
           WAIT_OBJECT_0) {
      if (!ReadOne()) return;
    }
    Close();
  }

  void Close() {
    CancelIoEx(ToHandle(handle_.get()), &io_);
    DWORD bytes = 0;
    GetOverlappedResult(ToHandle(handle_.get()), &io_, &bytes, TRUE);
    ResetEvent(ToHandle(done_.get()));
    handle_.Reset();
  }

  // What is in the buffer that is full, and the system has the other one. Empty
  // without an error: it was too much for a buffer.
  struct Full {
    std::string_view told;
    DWORD error;
  };
  Full Rearm() {
    DWORD bytes = 0;
    DWORD error = 0;
    if (!GetOverlappedResult(ToHandle(handle_.get()), &io_, &bytes, FALSE)) {
      error = GetLastError();
    }
    if (error == ERROR_NOTIFY_ENUM_DIR) error = bytes = 0;
    const std::string_view told(buffers_[armed_].data(), bytes);
    armed_ = 1 - armed_;
    ResetEvent(ToHandle(done_.get()));
    return {told, error != 0 ? error : Arm()};
  }

  // False: there is nothing more to come.
  bool ReadOne() {
    std::vector<Change> changes;
    Full full = Rearm();
    if (full.told.empty() && full.error == 0) Lose(&changes);
    TakeApart(full.told, &changes);
    if (full.error == 0 && renamed_ && keeps_old_paths_) {
      Close();
      full.error = Open();
      Lose(&changes);
    }
    if (full.error != 0) {
      spdlog::warn(
          "the exported directory is out of reach (Windows error {}): no "
          "changes are heard of any more",
          full.error);
      changes.push_back({.kind = ChangeKind::kEnded});
    }
    queue_.Push(&changes);
    return full.error == 0;
  }

  void TakeApart(std::string_view told, std::vector<Change>* changes) {
    NotifyRecord record;
    renamed_ = false;
    while (!told.empty()) {
      if (!TakeNotifyRecord(read_extended_ != nullptr, &told, &record)) {
        return Lose(changes);
      }
      const std::wstring path = LongName(Wide(record.path));
      if (path.starts_with(prefix_)) {
        OfOurOwn(record, path.substr(prefix_.size()), changes);
        continue;
      }
      Change change{.kind = KindOf(record.action)};
      const bool moves = record.action == NotifyRecord::kRenamedOld ||
                         record.action == NotifyRecord::kRenamedNew;
      if (!ToClients(path, &change.path, &change.name)) {
        if (moves) changes->push_back({.kind = ChangeKind::kHidden});
        continue;
      }
      if (record.id) change.id = IdOf(*record.id);
      change.directory = record.directory;
      if (record.action == NotifyRecord::kRenamedNew && IsDirectory(path)) {
        renamed_ = true;
      }
      changes->push_back(std::move(change));
    }
  }

  // `name`: what is behind the prefix, a marker's number or the trial's.
  void OfOurOwn(const NotifyRecord& record, const std::wstring& name,
                std::vector<Change>* changes) {
    if (record.action != NotifyRecord::kAdded) return;
    keeps_old_paths_ = keeps_old_paths_ || name == L"old\\file";
    tried_ = tried_ || name.ends_with(L"\\file");
    constexpr size_t kMostDigits = 19;
    if (name.empty() || name.size() > kMostDigits ||
        name.find_first_not_of(L"0123456789") != name.npos) {
      return;
    }
    const uint64_t number = std::stoull(name);
    absl::MutexLock lock(&mu_);
    const bool gap = !under_way_.empty() && under_way_.front() < number;
    while (!under_way_.empty() && under_way_.front() <= number) {
      under_way_.pop_front();
    }
    if (gap) {
      spdlog::warn("changes were lost without a word of the system");
      changes->push_back({.kind = ChangeKind::kLost});
    }
    changes->push_back({.kind = ChangeKind::kMarker, .marker = number});
  }

  // Markers may be among what is lost.
  void Lose(std::vector<Change>* changes) {
    absl::MutexLock lock(&mu_);
    under_way_.clear();
    changes->push_back({.kind = ChangeKind::kLost});
  }

  // A file may be told of by its short name, if it was opened by that.
  std::wstring LongName(const std::wstring& path) const {
    if (path.find(L'~') == path.npos) return path;
    std::wstring root(32 * 1024, L'\0');
    root.resize(GetFinalPathNameByHandleW(ToHandle(root_), root.data(),
                                          static_cast<DWORD>(root.size()), 0));
    root += L'\\';
    std::wstring whole(32 * 1024, L'\0');
    whole.resize(GetLongPathNameW((root + path).c_str(), whole.data(),
                                  static_cast<DWORD>(whole.size())));
    return whole.starts_with(root) ? whole.substr(root.size()) : path;
  }

  bool IsDirectory(const std::wstring& path) const {
    UniqueFd fd;
    Kind kind;
    return OpenRelative(root_, path, {.any_case = true}, &fd) == 0 &&
           hostd::KindOf(fd.get(), &kind) == 0 && kind.directory;
  }

  FileId IdOf(uint64_t id) const {
    ObjectId object;
    if (ReadId(root_, &object) != 0) return {};
    std::memset(object.id, 0, sizeof(object.id));
    std::memcpy(object.id, &id, sizeof(id));
    return ToFileId(object);
  }

  const int root_;
  const std::wstring prefix_;  // of its own files' paths
  ReadExtended* const read_extended_;
  ChangeQueue queue_;
  UniqueFd stop_, done_;  // events

  // The reader's, once it runs.
  UniqueFd handle_;
  OVERLAPPED io_{};
  std::string buffers_[2] = {std::string(kBufferBytes, '\0'),
                             std::string(kBufferBytes, '\0')};
  DWORD buffer_bytes_ = kBufferBytes;
  int armed_ = 0;  // the buffer that the system has
  bool tried_ = false;
  bool keeps_old_paths_ = false;
  bool renamed_ = false;  // a directory, in the buffer under way

  absl::Mutex mu_;
  std::deque<uint64_t> under_way_ ABSL_GUARDED_BY(mu_);  // markers
  std::thread reader_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SubtreeSource>> WatchDirectoryChanges(int root) {
  auto source = std::make_unique<DirectoryChanges>(root);
  if (absl::Status started = source->Start(); !started.ok()) return started;
  return source;
}

}  // namespace warmfs::hostd
