#include "bench/interrupt.h"

#include <signal.h>

#include <initializer_list>

namespace warmfs::bench {
namespace {

volatile sig_atomic_t caught = 0;

void Catch(int signal) { caught = signal; }

}  // namespace

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = Catch;  // no SA_RESTART
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    sigaction(signal, &action, nullptr);
  }
}

int Interrupted() { return caught; }

}  // namespace warmfs::bench
