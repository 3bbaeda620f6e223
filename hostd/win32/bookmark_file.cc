#include "hostd/win32/bookmark_file.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "hostd/file.h"
#include "hostd/win32/aside.h"
#include "hostd/win32/handle.h"
#include "hostd/win32/rename.h"

namespace warmfs::hostd {
namespace {

constexpr wchar_t kName[] = L"journal";
constexpr wchar_t kNewName[] = L"journal.new";
constexpr wchar_t kLockName[] = L"journal.lock";
constexpr ULONG kOpenOrMake = 3;       // FILE_OPEN_IF
constexpr ULONG kMakeOrOverwrite = 5;  // FILE_OVERWRITE_IF
constexpr size_t kMostBytes = 4096;

class InHostFolder final : public BookmarkFile {
 public:
  InHostFolder(UniqueFd folder, UniqueFd lock)
      : folder_(std::move(folder)), lock_(std::move(lock)) {}

  std::string Read() override {
    UniqueFd file;
    std::string text(kMostBytes, '\0');
    size_t bytes = 0;
    const OpenHow how{.access = FILE_READ_DATA};
    if (OpenRelative(folder_.get(), kName, how, &file) != 0 ||
        ReadAt(file.get(), 0, text.data(), text.size(), &bytes) != 0) {
      return "";
    }
    text.resize(bytes);
    return text;
  }

  bool Write(const std::string& text) override {
    UniqueFd file;
    size_t bytes = 0;
    const OpenHow how{.access = FILE_WRITE_DATA | DELETE,
                      .disposition = kMakeOrOverwrite};
    return OpenRelative(folder_.get(), kNewName, how, &file) == 0 &&
           WriteAt(file.get(), 0, text, &bytes) == 0 && bytes == text.size() &&
           Flush(file.get(), /*data_only=*/true) == 0 &&
           RenameHandle(file.get(), folder_.get(), kName, Replace::kYes) == 0;
  }

 private:
  const UniqueFd folder_;
  const UniqueFd lock_;
};

}  // namespace

std::unique_ptr<BookmarkFile> OpenBookmarkFile(int root) {
  UniqueFd folder, lock;
  const OpenHow alone{
      .access = FILE_WRITE_DATA, .disposition = kOpenOrMake, .exclusive = true};
  int error = OpenHostFolder(root, &folder);
  if (error == 0) error = OpenRelative(folder.get(), kLockName, alone, &lock);
  if (error != 0) {
    spdlog::warn(
        "after a restart of hostd clients will check what they hold: the place "
        "in the journal cannot be kept (errno {})",
        error);
    return nullptr;
  }
  return std::make_unique<InHostFolder>(std::move(folder), std::move(lock));
}

}  // namespace warmfs::hostd
