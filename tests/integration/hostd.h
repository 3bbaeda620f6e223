// warmfs-hostd as a process of its own that serves one directory as "default".
// Ended with this object.
//
// Belongs to the test's thread.

#ifndef WARMFS_TESTS_INTEGRATION_HOSTD_H_
#define WARMFS_TESTS_INTEGRATION_HOSTD_H_

#include <sys/types.h>

#include <string>

namespace warmfs::testing {

struct HostdOptions {
  std::string directory;
  std::string listen;      // an endpoint
  std::string token_file;  // for endpoints that need one
  std::string watch;       // --watch, if not the default
};

class Hostd {
 public:
  explicit Hostd(HostdOptions options);
  ~Hostd();
  Hostd(const Hostd&) = delete;

  // Returns once it listens.
  void Start();
  // Its exit code, or 128 + the signal that ended it; -1 if it did not run.
  int Stop(int signal);
  // kill -9, and another in its place.
  void Replace();

  const std::string& endpoint() const { return options_.listen; }
  pid_t pid() const { return pid_; }

 private:
  const HostdOptions options_;
  const std::string log_;
  pid_t pid_ = 0;
};

}  // namespace warmfs::testing

#endif  // WARMFS_TESTS_INTEGRATION_HOSTD_H_
