#include "tests/integration/hostd.h"

#include <signal.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "tests/integration/mount_fixture.h"

namespace warmfs::testing {

Hostd::Hostd(HostdOptions options)
    : options_(std::move(options)), log_(options_.directory + ".hostd.log") {}

Hostd::~Hostd() { Stop(SIGTERM); }

void Hostd::Start() {
  unlink(log_.c_str());
  std::vector<std::string> argv = {Program("warmfs-hostd"), "--export",
                                   "default=" + options_.directory, "--listen",
                                   options_.listen};
  if (!options_.token_file.empty()) {
    argv.insert(argv.end(), {"--token-file", options_.token_file});
  }
  if (!options_.watch.empty()) argv.push_back("--watch=" + options_.watch);
  pid_ = testing::Start(argv, log_);
  // A socket file may be that of a daemon that is dead.
  Await("the daemon",
        [&] { return ReadFile(log_).find("listening") != std::string::npos; });
}

int Hostd::Stop(int signal) {
  if (pid_ == 0) return -1;
  kill(pid_, signal);
  return WaitFor(std::exchange(pid_, 0));
}

void Hostd::Replace() {
  Stop(SIGKILL);
  Start();
}

}  // namespace warmfs::testing
