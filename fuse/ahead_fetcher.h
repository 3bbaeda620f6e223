// Fetches small files and listings before somebody comes to them, while he is
// at those before them.
//
// Concept. Which listings a walker will come to the scout knows (scout.h). Of
// files: from the second file of a directory on a reader is worth reading
// ahead of (prefetch.h). The first of what follows comes with his own question.
// From then on others look at the files that follow him, twice as many as
// are worth it, and ask for those that are missing; so when he has come to the
// end of what was given to the kernel (pusher.h), the next are there, and the
// host works on those behind them. As long as he is within the first half of
// what was looked at, there is nothing to do. What is wasted when he stops is
// what he is ahead by: files of kWholeBytes at most.
//
// Who comes to what is on its way waits for it (single_flight.h).
//
// Several threads ask, so that the host has the next questions while the answer
// to the one before is on its way and taken in.
//
// Thread rule: Add and ListAhead from any thread, never wait; of readers that
// wait to be looked at only the latest is remembered. The destructor ends the
// threads.

#ifndef WARMFS_FUSE_AHEAD_FETCHER_H_
#define WARMFS_FUSE_AHEAD_FETCHER_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "fuse/file_system.h"
#include "rpc/channel_group.h"
#include "rpc/remote.h"

namespace warmfs::fuse {

class AheadFetcher {
 public:
  AheadFetcher(FileSystem& fs, rpc::Remote& remote);
  ~AheadFetcher();

  void Add(const Ahead& reader) ABSL_LOCKS_EXCLUDED(mu_);
  void ListAhead() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  static constexpr int kThreads = 4;
  static constexpr size_t kFirst = 16;  // files of the first question

  void Loop() ABSL_LOCKS_EXCLUDED(mu_);
  // Finds out what to ask for, meanwhile without the lock.
  void Plan(const Ahead& reader) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Fetch(rpc::Channel& host, const std::vector<Upcoming>& files)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Is he still far from the end of what was looked at last?
  bool IsWellAhead(const FileId& file) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool HasReader() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return reader_ && !planning_;
  }
  // By one thread at a time, so that few questions are large ones.
  bool MustList() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return to_list_ && !listing_;
  }
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stop_ || MustList() || HasReader() || !questions_.empty();
  }

  FileSystem& fs_;
  rpc::ChannelGroup channels_;
  absl::Mutex mu_;
  std::optional<Ahead> reader_ ABSL_GUARDED_BY(mu_);
  bool planning_ ABSL_GUARDED_BY(mu_) = false;
  bool to_list_ ABSL_GUARDED_BY(mu_) = false;
  bool listing_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<std::vector<Upcoming>> questions_ ABSL_GUARDED_BY(mu_);
  // What was looked at last, by the order in which it is expected to be read.
  absl::flat_hash_map<FileId, size_t> looked_at_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace warmfs::fuse

#endif  // WARMFS_FUSE_AHEAD_FETCHER_H_
