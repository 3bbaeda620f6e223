#include "cache/content_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace warmfs::cache {
namespace {

constexpr char kFolder[] = "content";
constexpr size_t kIdDigits = 32;
constexpr size_t kShardDigits = 2;

absl::Status Error(int error, const std::string& what) {
  const std::string text =
      absl::StrCat(what, ": ", std::generic_category().message(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(text);
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::UnavailableError(text);
    default:
      return absl::InternalError(text);
  }
}

off_t OffsetOf(uint64_t index) {
  return static_cast<off_t>(index * kBlockBytes);
}

std::string ShardOf(const std::string& name) {
  return name.substr(kIdDigits - kShardDigits);
}

bool IsHex(std::string_view text, size_t digits) {
  return text.size() == digits &&
         text.find_first_not_of("0123456789abcdef") == text.npos;
}

uint64_t ParseHex(std::string_view digits) {
  uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return number;
}

// Whose bytes a file of this name has; nothing if it is none of ours.
std::optional<FileId> ParseName(std::string_view shard, std::string_view name) {
  if (!IsHex(name, kIdDigits) || !name.ends_with(shard)) return std::nullopt;
  return FileId{ParseHex(name.substr(0, kIdDigits / 2)),
                ParseHex(name.substr(kIdDigits / 2))};
}

UniqueFd OpenFolder(int parent, const char* name) {
  return UniqueFd(
      openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

UniqueFd OpenShard(int root, const std::string& name, bool create) {
  const std::string shard = ShardOf(name);
  UniqueFd fd = OpenFolder(root, shard.c_str());
  if (fd || !create || errno != ENOENT) return fd;
  if (mkdirat(root, shard.c_str(), 0700) != 0 && errno != EEXIST) return fd;
  return OpenFolder(root, shard.c_str());
}

UniqueFd OpenIn(int root, const std::string& name, bool create) {
  const UniqueFd shard = OpenShard(root, name, create);
  if (!shard) return {};
  UniqueFd fd(openat(shard.get(), name.c_str(),
                     O_RDWR | O_NOFOLLOW | O_CLOEXEC | (create ? O_CREAT : 0),
                     0600));
  // The kernel reads ahead in the mount, in large requests and several at a
  // time, which Expect passes on. Ahead of those once more was measured to cost
  // twice the time: it takes new memory in large pieces, which is dear in a VM.
  if (fd) posix_fadvise(fd.get(), 0, 0, POSIX_FADV_RANDOM);
  return fd;
}

// The names in a folder, until `visit` answers false; false then.
bool VisitNames(UniqueFd folder,
                const std::function<bool(const char*)>& visit) {
  if (!folder) return true;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(fdopendir(folder.get()),
                                                closedir);
  if (dir == nullptr) return true;
  folder.Release();  // closedir closes it
  while (const dirent* entry = readdir(dir.get())) {
    if (!visit(entry->d_name)) return false;
  }
  return true;
}

// Every file of ours beneath the folder, by its shard's descriptor and its
// name there, until `visit` answers false.
void VisitFiles(int root, const std::function<bool(int shard, const char* name,
                                                   const FileId& id)>& visit) {
  VisitNames(OpenFolder(root, "."), [&](const char* shard_name) {
    if (!IsHex(shard_name, kShardDigits)) return true;
    const UniqueFd shard = OpenFolder(root, shard_name);
    if (!shard) return true;
    return VisitNames(OpenFolder(shard.get(), "."), [&](const char* name) {
      const auto id = ParseName(shard_name, name);
      return !id.has_value() || visit(shard.get(), name, *id);
    });
  });
}

UniqueFd OpenRoot(const std::string& directory, bool create) {
  const UniqueFd parent(
      open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return {};
  if (create && mkdirat(parent.get(), kFolder, 0700) != 0 && errno != EEXIST) {
    return {};
  }
  return OpenFolder(parent.get(), kFolder);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ContentFiles>> ContentFiles::Open(
    const std::string& directory) {
  UniqueFd root = OpenRoot(directory, /*create=*/true);
  if (!root) return Error(errno, absl::StrCat("its folder ", kFolder));
  return std::unique_ptr<ContentFiles>(new ContentFiles(std::move(root)));
}

void ContentFiles::RemoveAll(const std::string& directory) {
  const UniqueFd root = OpenRoot(directory, /*create=*/false);
  if (!root) return;
  VisitFiles(root.get(), [](int shard, const char* name, const FileId&) {
    unlinkat(shard, name, 0);
    return true;
  });
}

ContentFiles::FilePtr ContentFiles::FindOpened(const FileId& id) {
  const auto it = std::ranges::find(opened_, id, &Opened::id);
  if (it == opened_.end()) return nullptr;
  std::rotate(opened_.begin(), it, it + 1);
  return opened_.front().file;
}

absl::StatusOr<ContentFiles::FilePtr> ContentFiles::OpenFile(const FileId& id,
                                                             bool create) {
  uint64_t removals = 0;
  {
    absl::MutexLock lock(&mu_);
    if (FilePtr file = FindOpened(id)) return file;
    removals = removals_;
  }
  auto file = std::make_shared<const UniqueFd>(
      OpenIn(root_.get(), id.ToString(), create));
  if (!*file) return Error(errno, "a file of content");
  FilePtr oldest;  // declared first, so closed after the lock
  absl::MutexLock lock(&mu_);
  if (removals != removals_) return file;
  if (FilePtr other = FindOpened(id)) return other;
  if (opened_.size() == kMaxOpen) {
    oldest = std::move(opened_.back().file);
    opened_.pop_back();
  }
  opened_.insert(opened_.begin(), {id, file});
  return file;
}

absl::Status ContentFiles::Read(const FileId& id, uint64_t index, size_t bytes,
                                Buffer& out) {
  out = Buffer(bytes);
  if (bytes == 0) return absl::OkStatus();
  const auto file = OpenFile(id, /*create=*/false);
  if (!file.ok()) return file.status();
  for (size_t done = 0; done < bytes;) {
    const ssize_t n = pread((*file)->get(), out.data() + done, bytes - done,
                            OffsetOf(index) + static_cast<off_t>(done));
    if (n == 0) return absl::NotFoundError("it ends before");
    if (n > 0) done += static_cast<size_t>(n);
    if (n < 0 && errno != EINTR) return Error(errno, "reading content");
  }
  return absl::OkStatus();
}

void ContentFiles::Expect(const FileId& id, uint64_t first, uint64_t count) {
  const auto file = OpenFile(id, /*create=*/false);
  if (!file.ok()) return;
  posix_fadvise((*file)->get(), OffsetOf(first), OffsetOf(count),
                POSIX_FADV_WILLNEED);
}

absl::Status ContentFiles::Write(const FileId& id, uint64_t index,
                                 std::string_view bytes) {
  if (bytes.empty()) return absl::OkStatus();
  const auto file = OpenFile(id, /*create=*/true);
  if (!file.ok()) return file.status();
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n =
        pwrite((*file)->get(), bytes.data() + done, bytes.size() - done,
               OffsetOf(index) + static_cast<off_t>(done));
    if (n > 0) done += static_cast<size_t>(n);
    if (n < 0 && errno != EINTR) return Error(errno, "writing content");
  }
  return absl::OkStatus();
}

void ContentFiles::Punch(const FileId& id, uint64_t index) {
  const auto file = OpenFile(id, /*create=*/false);
  if (!file.ok()) return;
  // Where the file system cannot, the file is as long as it is.
  (void)fallocate((*file)->get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  OffsetOf(index), kBlockBytes);
}

void ContentFiles::Remove(const FileId& id) {
  const std::string name = id.ToString();
  const UniqueFd shard = OpenShard(root_.get(), name, /*create=*/false);
  if (!shard) return;
  unlinkat(shard.get(), name.c_str(), 0);
  FilePtr removed;  // declared first, so closed after the lock
  absl::MutexLock lock(&mu_);
  ++removals_;
  if ((removed = FindOpened(id))) opened_.erase(opened_.begin());
}

void ContentFiles::Visit(const std::function<bool(const FileId&)>& visit) {
  VisitFiles(root_.get(),
             [&](int, const char*, const FileId& id) { return visit(id); });
}

uint64_t ContentFiles::DiskBytes() {
  uint64_t bytes = 0;
  VisitFiles(root_.get(), [&](int shard, const char* name, const FileId&) {
    struct stat info = {};
    if (fstatat(shard, name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
      bytes += static_cast<uint64_t>(info.st_blocks) * 512;
    }
    return true;
  });
  return bytes;
}

}  // namespace warmfs::cache
