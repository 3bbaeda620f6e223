#include "cache/storage.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace warmfs::cache {

absl::StatusOr<std::unique_ptr<Storage>> Storage::Open(CacheOptions options) {
  auto opened = OpenDatabase(std::move(options));
  if (!opened.ok()) return opened.status();
  return std::unique_ptr<Storage>(new Storage(*std::move(opened)));
}

Storage::Storage(OpenedDatabase opened)
    : options_(std::move(opened.options)),
      current_(std::make_shared<Generation>(std::move(opened.database),
                                            std::move(opened.files))),
      why_memory_(std::move(opened.why_memory)) {
  if (!why_memory_.empty() && !options_.directory.empty()) {
    spdlog::warn("the cache is in memory only: {}", why_memory_);
  }
}

std::shared_ptr<Generation> Storage::Current() {
  std::shared_ptr<Generation> current;
  {
    absl::ReaderMutexLock lock(&mu_);
    current = current_;
  }
  if (!current->db->failed()) return current;
  Replace(current);
  absl::ReaderMutexLock lock(&mu_);
  return current_;
}

void Storage::Replace(const std::shared_ptr<Generation>& generation) {
  absl::MutexLock lock(&mu_);
  if (current_ != generation) return;
  auto memory = OpenMemoryDatabase();
  // Nothing left to go to: a failed database misses everything, which is
  // allowed too.
  if (!memory.ok()) return;
  if (!current_->db->in_memory()) {
    why_memory_ =
        absl::StrCat("the database failed: ", current_->db->failure());
    spdlog::warn("the cache is in memory only from now on: {}", why_memory_);
  }
  replaced_.push_back(std::move(current_));
  current_ = std::make_shared<Generation>(*std::move(memory), nullptr);
  current_->counted.Notify();  // it is empty
}

void Storage::Reap() {
  std::vector<std::shared_ptr<Generation>> unused;
  absl::MutexLock lock(&mu_);
  std::erase_if(replaced_, [&](std::shared_ptr<Generation>& generation) {
    if (generation.use_count() > 1) return false;
    unused.push_back(std::move(generation));
    return true;
  });
  // `unused` is declared first, so it goes after the lock.
}

Health Storage::health() const {
  absl::ReaderMutexLock lock(&mu_);
  if (!current_->db->in_memory() && current_->db->failed()) {
    return {false,
            absl::StrCat("the database failed: ", current_->db->failure())};
  }
  return {why_memory_.empty(), why_memory_};
}

}  // namespace warmfs::cache
