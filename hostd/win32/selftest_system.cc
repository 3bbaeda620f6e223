// What Windows tells of changes, and where clients may come from.

#include <algorithm>
#include <cstring>

#include "absl/strings/str_join.h"
#include "hostd/usn_source.h"
#include "hostd/win32/listen.h"
#include "hostd/win32/selftest.h"
#include "hostd/win32/usn_volume.h"

namespace warmfs::hostd {
namespace {

constexpr DWORD kPatienceMillis = 2000;
// Of a folder whose changes are heard of.
constexpr DWORD kAll = FILE_NOTIFY_CHANGE_FILE_NAME |
                       FILE_NOTIFY_CHANGE_DIR_NAME | FILE_NOTIFY_CHANGE_SIZE |
                       FILE_NOTIFY_CHANGE_LAST_WRITE;

const char* ActionName(DWORD action) {
  static constexpr const char* kNames[] = {"?",        "added", "removed",
                                           "modified", "from",  "to"};
  return action < std::size(kNames) ? kNames[action] : "?";
}

// What has been told, until the name `last` is told to be removed.
class Listener {
 public:
  explicit Listener(const std::wstring& dir)
      : dir_(FromHandle(CreateFileW(
            dir.c_str(), FILE_LIST_DIRECTORY,
            FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
            OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OVERLAPPED,
            nullptr))),
        event_(FromHandle(CreateEventW(nullptr, TRUE, FALSE, nullptr))) {
    overlapped_.hEvent = ToHandle(event_.get());
  }
  bool Arm() {
    ResetEvent(overlapped_.hEvent);
    armed_ =
        ReadDirectoryChangesW(ToHandle(dir_.get()), buffer_, sizeof(buffer_),
                              TRUE, kAll, nullptr, &overlapped_, nullptr);
    return armed_;
  }
  // Until a removal; "added modified from to removed", alike ones once.
  std::vector<std::string> Hear() {
    std::vector<std::string> told;
    while (armed_ && (told.empty() || told.back() != "removed")) {
      DWORD size = 0;
      if (WaitForSingleObject(overlapped_.hEvent, kPatienceMillis) != 0) break;
      if (!GetOverlappedResult(ToHandle(dir_.get()), &overlapped_, &size,
                               FALSE)) {
        break;
      }
      armed_ = false;
      Append(size, &told);
      Arm();
    }
    return told;
  }
  ~Listener() {
    DWORD size = 0;
    if (!armed_) return;
    CancelIo(ToHandle(dir_.get()));
    GetOverlappedResult(ToHandle(dir_.get()), &overlapped_, &size, TRUE);
  }

 private:
  void Append(DWORD size, std::vector<std::string>* told) {
    const char* const begin = reinterpret_cast<const char*>(buffer_);
    for (DWORD at = 0; size > 0;) {
      FILE_NOTIFY_INFORMATION info;
      std::memcpy(&info, begin + at,
                  offsetof(FILE_NOTIFY_INFORMATION, FileName));
      const std::string name = ActionName(info.Action);
      if (told->empty() || told->back() != name) told->push_back(name);
      if (info.NextEntryOffset == 0) break;
      at += info.NextEntryOffset;
    }
  }

  const UniqueFd dir_, event_;
  OVERLAPPED overlapped_{};
  bool armed_ = false;
  DWORD buffer_[4096];
};

Finding TryOrder(const std::wstring& dir) {
  const std::wstring folder = dir + L"\\changes";
  const char* const item = "changes of a tree, in order";
  CreateDirectoryW(folder.c_str(), nullptr);
  Listener listener(folder);
  if (!listener.Arm()) return {item, No(GetLastError()), "no leases"};
  DWORD written = 0;
  UniqueFd file = MakeFile(folder + L"\\a");
  WriteFile(ToHandle(file.get()), "x", 1, &written, nullptr);
  file.Reset();
  MoveFileW((folder + L"\\a").c_str(), (folder + L"\\b").c_str());
  DeleteFileW((folder + L"\\b").c_str());
  const std::string told = absl::StrJoin(listener.Hear(), " ");
  const std::string expected = "added modified from to removed";
  if (told == expected) return Works(item, "leases, and events as on Linux");
  return {item, "differs: " + told, "leases; tell us of the order"};
}

Finding TryEx() {
  const char* const item = "changes with file ids (Ex)";
  const HMODULE kernel = GetModuleHandleW(L"kernel32.dll");
  if (GetProcAddress(kernel, "ReadDirectoryChangesExW") != nullptr) {
    return Works(item, "moves are told by identity");
  }
  return {item, "no", "moves are told by name"};
}

Finding TryUsn(const std::wstring& dir) {
  const char* const item = "USN journal, for this user";
  const char* const follows = "clients begin anew after a restart of hostd";
  const UniqueFd root = FromHandle(
      CreateFileW(dir.c_str(), FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES,
                  FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                  nullptr, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr));
  const auto source = OpenUsnSource(root.get());
  if (!source.ok()) {
    return {item, "no", std::string(source.status().message())};
  }
  MakeFile(dir + L"\\journal").Reset();
  DeleteFileW((dir + L"\\journal").c_str());
  std::vector<Change> changes;
  (*source)->Take(&changes);
  const auto has = [&](ChangeKind kind) {
    return std::any_of(changes.begin(), changes.end(), [&](const Change& c) {
      return c.kind == kind &&
             (kind == ChangeKind::kLost || c.name == "journal");
    });
  };
  if (has(ChangeKind::kRemoved)) return Works(item, "--watch=usn is exact");
  if (has(ChangeKind::kLost)) {
    return {item, "differs: names are not told",
            "--watch=usn begins anew at each deletion"};
  }
  return {item, "differs: a file was made, and it was not told", follows};
}

Finding TryHyperV() {
  const char* const item = "Hyper-V sockets";
  // A port that nobody uses.
  const auto listener = ListenHvsock("hvsock:2147418113");
  if (listener.ok()) return Works(item, "hvsock:PORT for virtual machines");
  return {item, "no", std::string(listener.status().message())};
}

Finding TryTcp() {
  const char* const item = "TCP on loopback";
  // Any port would do; 0 is no endpoint.
  for (int port = 49152; port < 49252; ++port) {
    if (ListenSocket("tcp:127.0.0.1:" + std::to_string(port), true).ok()) {
      return Works(item, "tcp:127.0.0.1:PORT");
    }
  }
  return {item, "no", "needed", true};
}

}  // namespace

void TryChanges(const std::wstring& dir, std::vector<Finding>* out) {
  out->push_back(TryOrder(dir));
  out->push_back(TryEx());
  out->push_back(TryUsn(dir));
}

void TryEndpoints(std::vector<Finding>* out) {
  WSADATA data;
  WSAStartup(MAKEWORD(2, 2), &data);
  out->push_back(TryHyperV());
  out->push_back(TryTcp());
  WSACleanup();
}

}  // namespace warmfs::hostd
