// A volume whose USN journal a test writes, record by record, in the very bytes
// that Windows would hand out; and takes away again, in each way that Windows
// does.
//
// Thread-safe.

#ifndef WARMFS_TESTS_FAKES_SCRIPTED_USN_VOLUME_H_
#define WARMFS_TESTS_FAKES_SCRIPTED_USN_VOLUME_H_

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "hostd/usn_volume.h"
#include "tests/fakes/usn_buffer.h"

namespace warmfs::hostd {

class ScriptedUsnVolume final : public UsnVolume {
 public:
  static constexpr int kEntryDeleted = 1181;
  static constexpr int kDeleteInProgress = 1178;
  static constexpr int kInvalidParameter = 87;
  static constexpr size_t kRecordsOfARead = 3;

  // --- the test's side: a journal on a disk, which outlives its readers ---
  struct Disk {
    absl::Mutex mu;
    int version ABSL_GUARDED_BY(mu) = 3;
    bool names ABSL_GUARDED_BY(mu) = true;
    Journal journal ABSL_GUARDED_BY(mu) = {77, 0, 4096};
    std::vector<std::pair<int64_t, std::string>> records ABSL_GUARDED_BY(mu);
    std::map<FileRef, std::pair<std::string, FileId>> objects
        ABSL_GUARDED_BY(mu);
    int error ABSL_GUARDED_BY(mu) = 0;      // of all calls
    std::string bytes ABSL_GUARDED_BY(mu);  // of the next read, if not empty

    void Place(uint64_t ref, std::string path, FileId id = {}) {
      absl::MutexLock lock(&mu);
      objects[Ref(ref)] = {std::move(path), id};
    }
    void Remove(uint64_t ref) {
      absl::MutexLock lock(&mu);
      objects.erase(Ref(ref));
    }
    // Of an object in the directory `parent`.
    void Write(uint64_t ref, uint64_t parent, std::u16string name,
               uint32_t reasons, uint32_t attributes = 0) {
      absl::MutexLock lock(&mu);
      const UsnRecord record{Ref(ref),     Ref(parent),
                             journal.next, reasons,
                             attributes,   names ? std::move(name) : u""};
      records.emplace_back(journal.next, UsnRecordBytes(record, version));
      journal.next += static_cast<int64_t>(records.back().second.size());
    }
    // All records so far are gone; there is no newer one.
    void Trim() {
      absl::MutexLock lock(&mu);
      records.clear();
      journal.first = journal.next;
    }
    // The oldest records are gone, and there are newer ones.
    void Wrap() {
      absl::MutexLock lock(&mu);
      records.clear();
      journal.next += 1 << 20;
      journal.first = journal.next - 4096;
    }
    // Deleted and made again.
    void Replace() {
      absl::MutexLock lock(&mu);
      records.clear();
      ++journal.id;
    }
    void Fail(int with) {
      absl::MutexLock lock(&mu);
      error = with;
    }
    // The next read is this.
    void Damage(std::string with) {
      absl::MutexLock lock(&mu);
      bytes = std::move(with);
    }
  };

  explicit ScriptedUsnVolume(Disk& disk) : disk_(disk) {}

  // --- UsnVolume ---
  int Query(Journal* out) override {
    absl::MutexLock lock(&disk_.mu);
    *out = disk_.journal;
    return disk_.error;
  }
  int Read(uint64_t journal, int64_t from, std::string* out) override {
    absl::MutexLock lock(&disk_.mu);
    if (disk_.error != 0) return disk_.error;
    if (journal != disk_.journal.id) return kInvalidParameter;
    if (from < disk_.journal.first) return kEntryDeleted;
    if (!disk_.bytes.empty()) {
      *out = std::exchange(disk_.bytes, "");
      return 0;
    }
    std::string records;
    size_t count = 0;
    int64_t next = disk_.journal.next;
    for (const auto& [usn, bytes] : disk_.records) {
      if (usn < from) continue;
      next = usn;
      if (count++ == kRecordsOfARead) break;
      records += bytes;
      next = disk_.journal.next;
    }
    *out = UsnBatchBytes(next, records);
    return 0;
  }
  std::optional<std::string> PathOf(const FileRef& object) override {
    absl::MutexLock lock(&disk_.mu);
    const auto it = disk_.objects.find(object);
    if (it == disk_.objects.end()) return std::nullopt;
    return it->second.first;
  }
  FileId IdOf(const FileRef& object) const override {
    absl::MutexLock lock(&disk_.mu);
    const auto it = disk_.objects.find(object);
    return it == disk_.objects.end() ? FileId() : it->second.second;
  }
  bool Exists(const std::string& path) override {
    absl::MutexLock lock(&disk_.mu);
    for (const auto& [ref, object] : disk_.objects) {
      if (object.first == path) return true;
    }
    return false;
  }
  void Wait(int64_t next, absl::Duration timeout) override {
    absl::MutexLock lock(&disk_.mu);
    const auto ready = [&]() ABSL_SHARED_LOCKS_REQUIRED(disk_.mu) {
      return woken_ || disk_.journal.next != next;
    };
    disk_.mu.AwaitWithTimeout(absl::Condition(&ready), timeout);
    woken_ = false;
  }
  void Wake() override {
    absl::MutexLock lock(&disk_.mu);
    woken_ = true;
  }

 private:
  Disk& disk_;
  bool woken_ ABSL_GUARDED_BY(disk_.mu) = false;
};

}  // namespace warmfs::hostd

#endif  // WARMFS_TESTS_FAKES_SCRIPTED_USN_VOLUME_H_
